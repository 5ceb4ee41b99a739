// The hash tree of RFC 6962, section 2.1: one hash that stands for a list of records.
#pragma once

#include <span>

#include "base/bytes.h"

namespace mayfly::ledger {

/// The hash of one record, as a leaf: SHA-256 of a zero byte and the record.
[[nodiscard]] Bytes leaf_hash(ByteView record);

/// The root of the tree over leaves in their order; of none, SHA-256 of nothing.
[[nodiscard]] Bytes merkle_root(std::span<const Bytes> leaves);

}  // namespace mayfly::ledger
