// The requests of an agent's process, answered by core.
#pragma once

#include "tools/broker/agent_application.h"
#include "wire/protocol.h"

namespace mayfly::broker {

/// Answers one request of an agent that has said HELLO. Everything that it asks for is checked as
/// for any stranger; what is refused is logged.
///
/// @param kind    Any but Kind::hello.
/// @param passed  A descriptor that came with it; may be none.
/// @param answer  Receives the answer's body, whatever comes.
/// @throws wire::WireError (malformed) if the body is not one of the kind.
void answer_agent(AgentApplication& agent, wire::Kind kind, ByteView body, Descriptor passed,
                  Bytes& answer);

}  // namespace mayfly::broker
