#include "cli/names.h"

#include "cli/text.h"

namespace sterna::cli {

void put_name(Json& object, const std::string& key, const std::string& name) {
  if (is_utf8(name)) {
    object[key] = name;
  } else {
    object[key] = to_utf8(name);
    object[key + "_bytes"] = base64(name);
  }
}

std::string name_of(const Json& object, const std::string& key) {
  const std::string exact = key + "_bytes";
  if (object.contains(exact)) return from_base64(object.at(exact).get<std::string>());
  return object.at(key).get<std::string>();
}

std::string to_line(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sterna::cli
