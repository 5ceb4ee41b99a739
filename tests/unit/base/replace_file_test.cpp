#include "base/replace_file.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temp_folder.h"

namespace mayfly::test {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(ReplaceFile, OthersReadTheOldContentOrTheNewOne) {
  const TempFolder folder;
  const fs::path path = folder.path() / "list";
  const std::string contents[] = {std::string(100'000, 'a'), std::string(200'000, 'b')};
  replace_file(path.string(), as_bytes(contents[0]));
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) {
      replace_file(path.string(), as_bytes(contents[static_cast<std::size_t>(i % 2)]));
    }
    done = true;
  });
  while (!done) {
    const std::string seen = content_of(path);
    EXPECT_TRUE(seen == contents[0] || seen == contents[1]) << seen.size();
  }
  writer.join();
  EXPECT_EQ(content_of(path), contents[1]);
  EXPECT_EQ(fs::status(path).permissions(), fs::perms(0644));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "no draft is left";
}

TEST(ReplaceFile, WhatWasThereStaysWhenItFails) {
  const TempFolder folder;
  const fs::path path = folder.path() / "folder";
  fs::create_directories(path / "in it");
  EXPECT_THROW(replace_file(path.string(), as_bytes("x")), Error);
  EXPECT_TRUE(fs::exists(path / "in it"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), {}), 1) << "no draft is left";
  EXPECT_THROW(replace_file((folder.path() / "none" / "x").string(), as_bytes("x")), Error);
}

}  // namespace
}  // namespace mayfly::test
