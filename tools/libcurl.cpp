#include "tools/libcurl.h"

#include <dlfcn.h>
#include <string>

#include "base/error.h"

namespace mayfly::tools {
namespace {

constexpr char kLibcurl[] = "libcurl.so.4";

[[noreturn]] void refuse_libcurl() {
  const char* reason = dlerror();
  throw Error(CKR_GENERAL_ERROR, std::string("libcurl can't be loaded: ") +
                                     (reason == nullptr ? kLibcurl : reason) +
                                     "; install Debian's package libcurl4");
}

template <typename Function>
void find_in_libcurl(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) refuse_libcurl();
}

Libcurl load_libcurl() {
  void* library = dlopen(kLibcurl, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) refuse_libcurl();
  Libcurl curl{};
  find_in_libcurl(library, "curl_easy_cleanup", curl.easy_cleanup);
  find_in_libcurl(library, "curl_easy_getinfo", curl.easy_getinfo);
  find_in_libcurl(library, "curl_easy_init", curl.easy_init);
  find_in_libcurl(library, "curl_easy_perform", curl.easy_perform);
  find_in_libcurl(library, "curl_easy_setopt", curl.easy_setopt);
  find_in_libcurl(library, "curl_easy_strerror", curl.easy_strerror);
  find_in_libcurl(library, "curl_global_init", curl.global_init);
  find_in_libcurl(library, "curl_slist_append", curl.slist_append);
  find_in_libcurl(library, "curl_slist_free_all", curl.slist_free_all);
  const CURLcode begun = curl.global_init(CURL_GLOBAL_DEFAULT);
  if (begun != CURLE_OK) {
    throw Error(CKR_GENERAL_ERROR,
                std::string("libcurl can't be used: ") + curl.easy_strerror(begun));
  }
  return curl;
}

}  // namespace

const Libcurl& Libcurl::get() {
  static const Libcurl curl = load_libcurl();
  return curl;
}

}  // namespace mayfly::tools
