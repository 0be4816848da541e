#include "cli/http.h"

#include <sterna/quant/error.h>

#include "cli/module.h"

namespace sterna::cli {

std::unique_ptr<HttpClient> make_http_client() {
  const auto* module = static_cast<const HttpModule*>(
      load_module("libsterna-http.so", "sterna_http_module", "the HTTP module"));
  if (module->version != kHttpModuleVersion)
    throw Error("libsterna-http.so: belongs to another version of this program");
  return module->make();
}

}  // namespace sterna::cli
