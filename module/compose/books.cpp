#include "compose/books.h"

#include "compose/approved_book.h"
#include "compose/registry.h"
#include "core/open_book.h"

namespace mayfly {

Books open_books(const Config& config, BookUpkeep upkeep) {
  Books books;
  if (config.registry.is_there()) {
    const auto use = upkeep == BookUpkeep::thread ? RegistryUse::broker : RegistryUse::host;
    books.registry = std::make_shared<RegistryBook>(open_registry(config, use), config, upkeep);
    books.all = books.registry;
  } else {
    books.all = std::make_shared<OpenBook>();
  }
  if (!config.approval.command.empty()) {
    books.all = std::make_shared<ApprovedBook>(std::move(books.all), config.approval);
  }
  return books;
}

}  // namespace mayfly
