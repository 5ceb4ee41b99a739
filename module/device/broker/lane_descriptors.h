// The connections that a forked child must not keep.
#pragma once

namespace mayfly::agent {

/// Notes a connection of this process, so that a forked child closes its copy: else the parent's
/// keys would live for as long as the child.
/// @throws Error CKR_HOST_MEMORY when the fork handler can't be registered.
void note_lane(int descriptor);
/// To be called before the descriptor is closed.
void forget_lane(int descriptor) noexcept;

}  // namespace mayfly::agent
