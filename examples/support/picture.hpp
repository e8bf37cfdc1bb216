#pragma once

#include <ssm/core/index.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace example {

/// Writes text whole or not at all: beside its place first, then renamed.
inline void write_file(const std::filesystem::path& path, const std::string& text) {
  auto part = path;
  part += ".part";
  {
    std::ofstream file(part, std::ios::binary);
    if (!(file << text) || !file.flush())
      throw std::runtime_error(path.string() + ": expected a file that can be written, could not");
  }
  std::filesystem::rename(part, path);
}

/// Makes the folder where results go.
inline void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder))
    throw std::runtime_error(folder.string() + ": expected a folder that can be made and written, got: " +
                             (error ? error.message() : "something else of that name"));
  const auto trial = folder / (".writable" + std::to_string(std::random_device{}()));  // others may try it as well
  write_file(trial, "");
  std::filesystem::remove(trial);
}

/// Returns a number with nine significant digits.
inline std::string number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

/// Returns named columns of numbers as tab-separated text.
inline std::string table(const std::vector<std::string>& names, const std::vector<std::vector<double>>& columns) {
  std::string text;
  for (std::size_t c = 0; c < names.size(); ++c) text += names[c] + (c + 1 < names.size() ? "\t" : "\n");
  for (std::size_t row = 0; row < columns.front().size(); ++row)
    for (std::size_t c = 0; c < columns.size(); ++c)
      text += number(columns[c][row]) + (c + 1 < columns.size() ? "\t" : "\n");
  return text;
}

/// Returns words as one text that a gnuplot script takes apart by word(list, 1), word(list, 2), ...
inline std::string words(const std::vector<std::string>& all) {
  std::string list;
  for (const auto& each : all) list += (list.empty() ? "\"" : " \"") + each + "\"";
  return "'" + list + "'";
}
inline std::string words(const std::vector<ssm::Index>& all) {
  std::vector<std::string> texts;
  for (const ssm::Index each : all) texts.push_back(std::to_string(each));
  return words(texts);
}

/// Draws `name`.png from `name`.tsv in `folder` by examples/pictures/`script`.gnuplot, in which DATA is the table's
/// name. Without gnuplot it says so, and the table stays.
/// @param variables   of the script: name and value; a text has quotes around it
/// @param height      of the picture, in pixels
inline void draw(const std::filesystem::path& folder, const std::string& name, const std::string& script,
                 const std::vector<std::pair<std::string, std::string>>& variables = {}, int height = 800) {
  if (std::system("command -v gnuplot >/dev/null 2>&1") != 0) {
    std::cout << "  " << (folder / (name + ".tsv")).string() << "  (no picture: gnuplot is not installed)\n";
    return;
  }
  std::string given;
  for (const auto& [variable, value] : variables) given += variable + " = " + value + "\n";
  write_file(folder / (name + ".gnuplot"),
             "set terminal pngcairo size 1200," + std::to_string(height) + " font 'DejaVu Sans,11'\nset output '" +
                 name + ".png.part'\nset key outside right top\nset grid lc rgb '#dddddd'\nDATA = '" + name +
                 ".tsv'\nset datafile separator '\\t'\n" + given + "load '" SSM_EXAMPLE_PICTURES "/" + script +
                 ".gnuplot'\n");
  const std::string command = "cd '" + folder.string() + "' && gnuplot " + name + ".gnuplot && mv " + name +
                              ".png.part " + name + ".png && rm " + name + ".gnuplot";
  if (std::system(command.c_str()) != 0)
    throw std::runtime_error(name + ": gnuplot could not draw it; its message is above");
  std::cout << "  " << (folder / (name + ".png")).string() << '\n';
}

}  // namespace example
