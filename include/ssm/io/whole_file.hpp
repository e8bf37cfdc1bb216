#pragma once

#include "ssm/core/error.hpp"

#ifdef _WIN32
#include <io.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>

/// The only calls of an operating system in the library.
namespace ssm::io::detail {

/// Opens a file for writing, empty.
inline std::FILE* open_empty(const std::filesystem::path& path) {
#ifdef _WIN32
  return ::_wfopen(path.c_str(), L"wb");
#else
  return std::fopen(path.c_str(), "wb");
#endif
}
/// Brings what was written down to the disk; returns whether it could.
inline bool sync(std::FILE* file) {
#ifdef _WIN32
  return std::fflush(file) == 0 && ::_commit(::_fileno(file)) == 0;
#else
  return std::fflush(file) == 0 && ::fsync(::fileno(file)) == 0;
#endif
}
/// Brings the names in a folder down to the disk, where the system can.
inline void sync_folder([[maybe_unused]] const std::filesystem::path& folder) {
#ifndef _WIN32
  const int place = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY);
  if (place < 0) return;
  ::fsync(place);
  ::close(place);
#endif
}

/// Writes a whole file or none: beside its place first, down to the disk, then renamed. Killed at any moment, either
/// the old file is there or the new one.
/// @throws Error that names the file and says why it cannot be written
inline void write_whole(const std::filesystem::path& path, std::string_view bytes) {
  auto part = path;
  part += ".part";
  const auto fail = [&](const std::string& what, int why) {
    std::error_code ignored;
    std::filesystem::remove(part, ignored);
    throw Error(ssm::detail::message(path.string(), ": could not ", what, ": ", std::strerror(why)));
  };
  {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(open_empty(part), &std::fclose);
    if (out == nullptr)
      throw Error(ssm::detail::message(path.string(), ": could not be written: ", std::strerror(errno)));
    if (std::fwrite(bytes.data(), 1, bytes.size(), out.get()) != bytes.size()) fail("be written", errno);
    if (!sync(out.get())) fail("reach the disk", errno);
  }
  std::error_code error;
  std::filesystem::rename(part, path, error);
  if (error) fail("take its place", error.value());
  sync_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

}  // namespace ssm::io::detail
