#pragma once

#include "support/picture.hpp"

#include <CLI/CLI.hpp>

#include <exception>
#include <iostream>
#include <string>

namespace example {

/// The frame of every program: reads the options, makes the folder of --out, runs `body`; ends with 2 for a wrong
/// option, with 1 and one sentence for what goes wrong later.
template <class Body>
int run(CLI::App& app, int count, char** arguments, Body body) {
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  std::filesystem::path made;
  try {
    if (const auto* const out = app.get_option_no_throw("--out")) {  // where results go is tried before the work
      const std::filesystem::path folder = out->as<std::string>();
      if (!std::filesystem::exists(folder)) made = folder;
      make_folder(folder);
    }
    body();
  } catch (const std::exception& error) {
    std::error_code ignored;
    if (!made.empty()) std::filesystem::remove(made, ignored);  // if nothing came into it
    std::cerr << app.get_name() << ": " << error.what() << '\n';
    return 1;
  }
  return 0;
}

/// `--out FOLDER`, with a folder named after the program as default.
inline void add_out(CLI::App& app, std::string& out) {
  out = app.get_name() + "-out";
  app.add_option("--out", out, "folder for pictures and tables")->capture_default_str();
}

}  // namespace example
