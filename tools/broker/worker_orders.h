// What a broker of many tasks tells the worker of one.
#pragma once

#include <string>
#include <sys/types.h>

#include "base/descriptor.h"
#include "core/task.h"

namespace mayfly::broker {

/// WorkerOrders is a task that was planned and recorded already, and all that its worker needs.
struct WorkerOrders {
  std::string config_file;  ///< its path, absolute
  std::string config_text;  ///< what it said when the broker last took it
  TaskPlan plan;
  uid_t user = 0;   ///< whose processes may connect
  int p11kit = -1;  ///< descriptor of the socket for p11-kit's clients
  int agents = -1;  ///< descriptor of the socket for libmayfly.so
  int first = -1;   ///< descriptor of the connection that the worker is started for; -1 for none
  bool first_is_p11kits = false;  ///< at which of the two it came in
};

/// The orders as JSON. Who may open the task is not in it: that was decided.
[[nodiscard]] std::string to_json(const WorkerOrders& orders);

/// @throws JsonError for anything that to_json() would not write.
[[nodiscard]] WorkerOrders parse_orders(const std::string& text);

/// A file in memory that holds the text and can't be changed any more.
/// @throws std::system_error
[[nodiscard]] Descriptor make_orders_file(const std::string& text);

/// All of such a file.
/// @throws Error CKR_GENERAL_ERROR
[[nodiscard]] std::string read_orders_file(const Descriptor& file);

}  // namespace mayfly::broker
