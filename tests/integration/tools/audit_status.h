// Exit statuses of `mayfly audit`.
#pragma once

namespace mayfly::test {

inline constexpr int kOk = 0;
inline constexpr int kNotSealed = 1;  ///< or another check that failed
inline constexpr int kUsage = 2;
inline constexpr int kNoInput = 66;
inline constexpr int kCannotWrite = 73;

}  // namespace mayfly::test
