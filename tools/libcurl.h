// The library that speaks HTTP for `mayfly token verify`, loaded when it is first needed.
//
// It is not linked: with it would come LDAP, Kerberos and TLS into every start of mayfly.
#pragma once

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

namespace mayfly::tools {

/// The functions of libcurl that are used, under their names without curl_.
struct Libcurl {
  decltype(&curl_easy_cleanup) easy_cleanup;
  decltype(&curl_easy_getinfo) easy_getinfo;
  decltype(&curl_easy_init) easy_init;
  decltype(&curl_easy_perform) easy_perform;
  decltype(&curl_easy_setopt) easy_setopt;
  decltype(&curl_easy_strerror) easy_strerror;
  decltype(&curl_global_init) global_init;
  decltype(&curl_slist_append) slist_append;
  decltype(&curl_slist_free_all) slist_free_all;

  /// The library, which is never unloaded again.
  /// @throws Error CKR_GENERAL_ERROR when it is not installed or too old.
  [[nodiscard]] static const Libcurl& get();
};

}  // namespace mayfly::tools
