#pragma once

#include "support/wav.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <istream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

/// Sequences with a class each, from files: recordings, tables, and the .ts format of the UEA and UCR archives.
namespace example {

/// A sequence and the number of its class.
struct Labelled {
  std::vector<float> u;  ///< row after row     (L, columns)
  std::ptrdiff_t label;
};
/// Sequences by class.
struct Sequences {
  std::vector<std::string> classes;  ///< names, in order
  std::vector<Labelled> all;
  std::ptrdiff_t columns = 0;  ///< numbers of a step
  double rate = 0;             ///< Hz; 0: tables
};

/// A field as a number; NaN if it is none.
inline float number_in(const std::string& field) {
  std::size_t used = 0;
  try {
    const float value = std::stof(field, &used);
    return field.find_first_not_of(" \t\r", used) == std::string::npos ? value : NAN;
  } catch (const std::exception&) {
    return NAN;
  }
}
/// The parts of a text between separators.
inline std::vector<std::string> parts_of(const std::string& text, char separator) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) all.push_back(part);
  return all;
}

/// Numbers of a comma-separated table, row after row; a first row without any number names the columns.
/// @param columns   numbers of a row, becomes those of this table where it is 0
/// @param name      of the file, for messages
/// @throws          std::runtime_error that names file and row
inline std::vector<float> read_table(std::istream& stream, std::ptrdiff_t& columns, const std::string& name) {
  std::vector<float> numbers;
  std::string line;
  for (std::ptrdiff_t row = 1; std::getline(stream, line); ++row) {
    const auto fail = [&](const std::string& why) {
      throw std::runtime_error(name + ": row " + std::to_string(row) + ": " + why);
    };
    if (line.empty() || line == "\r") continue;
    const auto fields = parts_of(line, ',');
    if (row == 1 && std::none_of(fields.begin(), fields.end(),
                                 [](const std::string& field) { return std::isfinite(number_in(field)); }))
      continue;
    const auto count = static_cast<std::ptrdiff_t>(fields.size());
    for (const std::string& field : fields) {
      const float value = number_in(field);
      if (!std::isfinite(value)) fail("expected a finite number, got '" + field + "'");
      numbers.push_back(value);
    }
    if (columns == 0) columns = count;
    if (count != columns)
      fail("expected " + std::to_string(columns) + " numbers as elsewhere, got " + std::to_string(count));
  }
  if (numbers.empty()) throw std::runtime_error(name + ": expected numbers, got none");
  return numbers;
}

/// The numbers of a recording or a table.
/// @param columns   numbers of a step, becomes those of this file where it is 0
/// @param rate      Hz, becomes that of a recording where it is 0
inline std::vector<float> read_sequence(const std::filesystem::path& path, std::ptrdiff_t& columns, double& rate) {
  if (!has_extension(path, ".wav")) {
    std::ifstream stream(path);
    return read_table(stream, columns, path.string());
  }
  auto recording = read_wav(path);
  if (columns > 1)
    throw std::runtime_error(path.string() + ": expected tables of " + std::to_string(columns) +
                             " numbers as elsewhere, got a recording");
  columns = 1;
  if (rate == 0) rate = recording.rate;
  if (rate != recording.rate)
    throw std::runtime_error(path.string() + ": expected " + number(rate) + " Hz as elsewhere, got " +
                             number(recording.rate));
  return std::move(recording.samples);
}

/// Reads a folder that has a folder of .wav or .csv files for each class.
/// @throws std::runtime_error that names the file
inline Sequences read_folders(const std::filesystem::path& folder) {
  Sequences data;
  std::vector<std::filesystem::path> classes;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.is_directory()) classes.push_back(entry.path());
  std::sort(classes.begin(), classes.end());
  if (classes.size() < 2)
    throw std::runtime_error(folder.string() + ": expected a folder for each of two classes or more, got " +
                             std::to_string(classes.size()));
  for (const auto& each : classes) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(each))
      if (has_extension(entry.path(), ".wav") || has_extension(entry.path(), ".csv")) files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    if (files.empty()) throw std::runtime_error(each.string() + ": expected .wav or .csv files, got none");
    for (const auto& file : files)
      data.all.push_back({read_sequence(file, data.columns, data.rate), std::ssize(data.classes)});
    data.classes.push_back(each.filename().string());
  }
  return data;
}

/// Reads a file of the .ts format: lines of # or % say something, lines of @ what the file holds, and after @data there
/// is a sequence a line: its dimensions, numbers by commas, and its class, all by colons. The dimensions of a sequence
/// have one length; sequences may differ in it.
///
/// The format: https://www.aeon-toolkit.org/en/stable/api_reference/data_format.html
/// @throws std::runtime_error that names file and line, what was expected and what came: a number that is missing, times
///         of their own, a class that is not announced
inline Sequences read_ts(const std::filesystem::path& path) {
  std::ifstream stream(path);
  Sequences data;
  std::string line;
  std::ptrdiff_t row = 0;
  const auto fail = [&](const std::string& why) {
    throw std::runtime_error(path.string() + ": line " + std::to_string(row) + ": " + why);
  };
  const auto lower = [](std::string text) {
    for (auto& each : text) each = static_cast<char>(std::tolower(static_cast<unsigned char>(each)));
    return text;
  };
  bool begun = false;
  while (std::getline(stream, line)) {
    ++row;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty() || line[0] == '#' || line[0] == '%') continue;
    if (line[0] == '@') {
      std::istringstream words(line.substr(1));
      std::string name, value;
      words >> name >> value;
      name = lower(name);
      if (name == "data") {
        begun = true;
        if (data.classes.empty()) fail("expected @classLabel true with the classes before @data, got none");
      } else if (name == "timestamps" && lower(value) == "true") {
        fail("expected sequences without times of their own, got @timeStamps true");
      } else if (name == "targetlabel" && lower(value) == "true") {
        fail("expected classes to learn, got numbers: @targetLabel true");
      } else if (name == "classlabel" && lower(value) == "true") {
        for (std::string each; words >> each;) data.classes.push_back(each);
        if (data.classes.size() < 2)
          fail("expected two classes or more in @classLabel, got " + std::to_string(data.classes.size()));
      } else if (name == "dimensions" || name == "dimension") {
        const float count = number_in(value);
        if (!(count >= 1) || count != std::floor(count)) fail("expected a number of dimensions, got '" + value + "'");
        data.columns = static_cast<std::ptrdiff_t>(count);
      } else if (name == "univariate" && lower(value) == "true") {
        data.columns = 1;
      }
      continue;
    }
    if (!begun) fail("expected a line of # or @ before @data, got '" + line.substr(0, 20) + "'");
    auto fields = parts_of(line, ':');
    if (fields.size() < 2) fail("expected numbers, a colon and a class, got '" + line.substr(0, 20) + "'");
    const std::string name = fields.back();
    fields.pop_back();
    const auto found = std::find(data.classes.begin(), data.classes.end(), name);
    if (found == data.classes.end()) {
      std::string all;
      for (const auto& each : data.classes) all += (all.empty() ? "" : ", ") + each;
      fail("expected a class of " + all + ", got '" + name + "'");
    }
    const auto dimensions = std::ssize(fields);
    if (data.columns == 0) data.columns = dimensions;
    if (dimensions != data.columns)
      fail("expected " + std::to_string(data.columns) + " dimensions, got " + std::to_string(dimensions));
    std::vector<std::vector<float>> rows;
    for (std::ptrdiff_t d = 0; d < dimensions; ++d) {
      std::vector<float> numbers;
      for (const auto& each : parts_of(fields[static_cast<std::size_t>(d)], ',')) {
        numbers.push_back(number_in(each));
        if (!std::isfinite(numbers.back()))
          fail("dimension " + std::to_string(d + 1) + ", step " + std::to_string(numbers.size()) +
               ": expected a finite number, got '" + each + "'");
      }
      rows.push_back(std::move(numbers));
      if (rows.back().size() != rows.front().size() || rows.back().empty())
        fail("dimension " + std::to_string(d + 1) + ": expected " + std::to_string(rows.front().size()) +
             " numbers as in the first, at least one, got " + std::to_string(rows.back().size()));
    }
    Labelled one{{}, found - data.classes.begin()};
    for (std::size_t k = 0; k < rows.front().size(); ++k)
      for (const auto& each : rows) one.u.push_back(each[k]);
    data.all.push_back(std::move(one));
  }
  if (!begun) fail("expected @data in a .ts file, it is not there");
  if (data.all.empty()) fail("expected sequences after @data, got none");
  return data;
}

/// Reads a folder or a .ts file.
/// @throws std::runtime_error that names the file
inline Sequences read_sequences(const std::filesystem::path& path) {
  if (has_extension(path, ".ts") && std::filesystem::is_regular_file(path)) return read_ts(path);
  if (!std::filesystem::is_directory(path))
    throw std::runtime_error(path.string() +
                             ": expected a folder with a folder for each class, or a .ts file, there is none");
  return read_folders(path);
}

}  // namespace example
