// How much memory a worker may take.
#pragma once

#include <cstddef>

namespace mayfly::broker {

/// Lets this process take 512 MiB more memory than it has now, and a stack and a packet for each
/// connection, and no more. Limits on sessions and objects bound what one client gets of each; this
/// bounds what all clients of a task get of everything together, so that a hostile one can't take
/// the machine's memory. Calls that would need more are answered CKR_HOST_MEMORY.
/// @throws std::system_error
void limit_memory(std::size_t connections);

}  // namespace mayfly::broker
