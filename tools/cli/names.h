#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace sterna::cli {

using Json = nlohmann::ordered_json;

/// Adds a file name to a JSON object. Names are bytes, JSON is UTF-8: a name that is not
/// well-formed UTF-8 is shown with U+FFFD for each wrong byte, and "<key>_bytes" holds it exactly,
/// in base64.
void put_name(Json& object, const std::string& key, const std::string& name);

/// The name that put_name() wrote. Throws nlohmann's exception if there is none.
std::string name_of(const Json& object, const std::string& key);

/// One line of JSON; strings that are not UTF-8 (they should not get here) show U+FFFD.
std::string to_line(const Json& json);

}  // namespace sterna::cli
