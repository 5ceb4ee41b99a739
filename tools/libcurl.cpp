#include "tools/libcurl.h"

#include <string>

#include "base/error.h"
#include "base/late_library.h"

namespace mayfly::tools {
namespace {

Libcurl load_libcurl() {
  const LateLibrary library("libcurl.so.4", "libcurl", "libcurl4");
  Libcurl curl{};
  library.find("curl_easy_cleanup", curl.easy_cleanup);
  library.find("curl_easy_getinfo", curl.easy_getinfo);
  library.find("curl_easy_init", curl.easy_init);
  library.find("curl_easy_perform", curl.easy_perform);
  library.find("curl_easy_setopt", curl.easy_setopt);
  library.find("curl_easy_strerror", curl.easy_strerror);
  library.find("curl_global_init", curl.global_init);
  library.find("curl_slist_append", curl.slist_append);
  library.find("curl_slist_free_all", curl.slist_free_all);
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
