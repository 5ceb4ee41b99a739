#include "tools/serve/published.h"

#include <utility>

#include "base/base64url.h"
#include "base/hash.h"

namespace mayfly::serve {

PublishedFile::PublishedFile(std::string text)
    : content(std::move(text)),
      tag('"' + to_base64url(digest(Hash::sha256, as_bytes(content))) + '"') {}

}  // namespace mayfly::serve
