// The source files of the project, read as text.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace mayfly::test {

inline std::filesystem::path source_folder() { return MAYFLY_SOURCE_DIR; }

inline std::string read_source(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// All regular files below a folder of the project, by their paths relative to the project.
inline std::vector<std::filesystem::path> files_below(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(source_folder() / folder)) {
    if (entry.is_regular_file()) {
      files.push_back(std::filesystem::relative(entry.path(), source_folder()));
    }
  }
  return files;
}

inline bool is_cpp(const std::filesystem::path& file) {
  return file.extension() == ".h" || file.extension() == ".cpp";
}

}  // namespace mayfly::test
