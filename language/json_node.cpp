#include "json_node.h"

#include <sterna/quant/error.h>

#include <fstream>

namespace sterna::language {

using Json = nlohmann::json;

namespace {

std::string ascii(const Json& json) {
  return json.dump(-1, ' ', true, Json::error_handler_t::replace);
}

}  // namespace

std::string quoted(const std::string& text) { return ascii(Json(text)); }

std::string read_json_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  const std::streamoff size = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  if (size < 0) throw Error(file.string() + ": expected a readable file, found none");
  if (static_cast<uint64_t>(size) > kMaxJsonBytes)
    throw Error(file.string() + ": expected at most " + std::to_string(kMaxJsonBytes) +
                " bytes, found " + std::to_string(size));
  std::string text(static_cast<size_t>(size), '\0');
  in.seekg(0).read(text.data(), size);
  if (!in) throw Error(file.string() + ": expected a readable file, found a read error");
  return text;
}

std::string JsonNode::found() const {
  if (json.is_null()) return "nothing";
  if (json.is_array() || json.is_object())
    return std::string(json.is_array() ? "a list" : "an object") + " of " +
           std::to_string(json.size());
  std::string text = ascii(json);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

void JsonNode::fail(const std::string& expected) const { fail(expected, found()); }

void JsonNode::fail(const std::string& expected, const std::string& found) const {
  throw Error(path + ": expected " + expected + ", found " + found);
}

JsonNode JsonNode::operator[](const char* key) const {
  static const Json kNothing;
  if (!json.is_object()) fail("an object");
  const auto at = json.find(key);
  const bool top = path.ends_with(": ");
  return {at == json.end() ? kNothing : *at, path + (top ? "" : ".") + key};
}

JsonNode JsonNode::operator[](const std::string& key) const {
  static const Json kNothing;
  if (!json.is_object()) fail("an object");
  const auto at = json.find(key);
  return {at == json.end() ? kNothing : *at, path + '[' + quoted(key) + ']'};
}

JsonNode JsonNode::operator[](size_t i) const {
  return {json[i], path + '[' + std::to_string(i) + ']'};
}

const std::string& JsonNode::string() const {
  if (!json.is_string()) fail("a string");
  return json.get_ref<const std::string&>();
}

std::string JsonNode::string_or(const char* absent_value) const {
  return absent() ? absent_value : string();
}

bool JsonNode::boolean(std::optional<bool> absent_value) const {
  if (json.is_null() && absent_value) return *absent_value;
  if (!json.is_boolean()) fail("true or false");
  return json.get<bool>();
}

uint32_t JsonNode::integer(uint32_t max) const {
  if (!json.is_number_unsigned() || json.get<uint64_t>() > max)
    fail("a whole number up to " + std::to_string(max));
  return json.get<uint32_t>();
}

double JsonNode::number() const {
  if (!json.is_number()) fail("a number");
  return json.get<double>();
}

size_t JsonNode::list() const {
  if (!json.is_array()) fail("a list");
  return json.size();
}

void JsonNode::must_be(std::string_view text) const {
  if (string() != text) fail(quoted(std::string(text)));
}

}  // namespace sterna::language
