#include "ledger/merkle_tree.h"

#include <bit>
#include <vector>

#include "base/hash.h"

namespace mayfly::ledger {
namespace {

// Apart, so that no record can be passed off as the hash of two others.
constexpr std::uint8_t kLeaf[] = {0};
constexpr std::uint8_t kNode[] = {1};

Bytes node_hash(ByteView left, ByteView right) {
  Hasher hasher(Hash::sha256);
  hasher.update(kNode);
  hasher.update(left);
  hasher.update(right);
  return hasher.finish();
}

/// Joins the last two trees of a row.
void join_last(std::vector<Bytes>& row) {
  const Bytes right = std::move(row.back());
  row.pop_back();
  row.back() = node_hash(row.back(), right);
}

}  // namespace

Bytes leaf_hash(ByteView record) {
  Hasher hasher(Hash::sha256);
  hasher.update(kLeaf);
  hasher.update(record);
  return hasher.finish();
}

Bytes merkle_root(std::span<const Bytes> leaves) {
  if (leaves.empty()) return digest(Hash::sha256, {});
  // Roots of full trees, each larger than the next, as the bits of the number of leaves so far.
  std::vector<Bytes> row;
  for (std::size_t count = 0; count < leaves.size(); ++count) {
    row.push_back(leaves[count]);
    for (int bit = std::countr_one(count); bit > 0; --bit) join_last(row);
  }
  while (row.size() > 1) join_last(row);
  return row.front();
}

}  // namespace mayfly::ledger
