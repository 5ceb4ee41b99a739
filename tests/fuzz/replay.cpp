// Replays stored inputs through a fuzzing target, each once, where there is no libFuzzer.
//
//   fuzz_TARGET FILE_OR_FOLDER…
//
// A broken promise or a fault ends the process; the last line then names the input.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <vector>

#include "fuzz/finding.h"
#include "support/temp_folder.h"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_at(const fs::path& path) {
  if (fs::is_regular_file(path)) return {path};
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void replay(const fs::path& file) {
  std::cout << file.string() << std::endl;
  const std::string content = mayfly::test::read_file(file);
  // Memory of exactly this size, so that a read beyond its end does not pass unseen.
  const std::vector<std::uint8_t> bytes(content.begin(), content.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  std::size_t inputs = 0;
  for (int i = 1; i < count; ++i) {
    for (const fs::path& file : inputs_at(arguments[i])) {
      replay(file);
      ++inputs;
    }
  }
  std::cout << inputs << " inputs replayed" << std::endl;
  return inputs == 0 ? 1 : 0;  // a corpus that is not there proves nothing
}
