#include "config.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "sterna/models/mapped_file.h"
#include "text.h"

namespace sterna::models {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostBytes = size_t{16} << 20;
constexpr int kMostLevels = 32;

/// What was found, short enough for one line.
std::string shown(const Json* json) {
  if (json == nullptr) return "nothing";
  if (json->is_array()) return "a list of " + std::to_string(json->size());
  if (json->is_object()) return "an object of " + std::to_string(json->size());
  std::string text = json->dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 60) + "...";
  return text;
}

std::string number_text(double x) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", x);
  return text;
}

}  // namespace

Config Config::parse(std::string file, std::span<const std::byte> text) {
  Config config = parse_any(std::move(file), text);
  if (!config.node_->is_object())
    throw Error(config.file_ + ": expected an object, found " + shown(config.node_));
  return config;
}

std::vector<Config> Config::parse_list(std::string file, std::span<const std::byte> text) {
  constexpr size_t kMostItems = 1024;
  const Config whole = parse_any(std::move(file), text);
  const Json& list = *whole.node_;
  const bool fits =
      list.is_array() && list.size() <= kMostItems && !list.empty() &&
      std::all_of(list.begin(), list.end(), [](const Json& j) { return j.is_object(); });
  if (!fits) {
    throw Error(whole.file_ + ": expected a list of 1 to " + std::to_string(kMostItems) +
                " objects, found " + shown(&list));
  }
  std::vector<Config> items;
  for (const Json& item : list) {
    items.push_back(whole);
    items.back().path_ = "[" + std::to_string(items.size() - 1) + "].";
    items.back().node_ = &item;
  }
  return items;
}

Config Config::parse_any(std::string file, std::span<const std::byte> bytes) {
  if (bytes.size() > kMostBytes) {
    throw Error(file + ": expected at most " + std::to_string(kMostBytes) + " bytes, found " +
                std::to_string(bytes.size()));
  }
  const auto shallow = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > kMostLevels) {
      throw Error(file + ": expected at most " + std::to_string(kMostLevels) +
                  " levels of nesting, found more");
    }
    return true;
  };
  Config config;
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  try {
    config.document_ =
        std::make_shared<const Json>(Json::parse(text, text + bytes.size(), shallow));
  } catch (const Json::exception& e) {
    const auto* fault = dynamic_cast<const Json::parse_error*>(&e);
    throw Error(file + ": expected JSON, found a fault" +
                (fault == nullptr ? "" : " at byte " + std::to_string(fault->byte)));
  }
  config.file_ = std::move(file);
  config.node_ = config.document_.get();
  return config;
}

const nlohmann::json* Config::find(std::string_view key) const {
  if (node_ == nullptr) return nullptr;
  const auto at = node_->find(std::string(key));
  return at == node_->end() || at->is_null() ? nullptr : &*at;
}

bool Config::has(std::string_view key) const { return find(key) != nullptr; }

bool Config::is_list(std::string_view key) const {
  const Json* json = find(key);
  return json != nullptr && json->is_array();
}

bool Config::is_number(std::string_view key) const {
  const Json* json = find(key);
  return json != nullptr && json->is_number();
}

bool Config::is_object(std::string_view key) const {
  const Json* json = find(key);
  return json != nullptr && json->is_object();
}

std::vector<std::string> Config::keys_set() const {
  std::vector<std::string> keys;
  if (node_ == nullptr) return keys;
  for (const auto& [key, value] : node_->items()) {
    if (!value.is_null() && value != Json(false)) keys.push_back(key);
  }
  return keys;
}

void Config::fail(std::string_view key, const std::string& expected) const {
  throw Error(file_ + ": " + path_ + std::string(key) + ": expected " + expected + ", found " +
              shown(find(key)));
}

Config Config::in(std::string_view key) const {
  Config inner(*this);
  inner.node_ = find(key);
  if (inner.node_ != nullptr && !inner.node_->is_object()) fail(key, "an object");
  inner.path_ += std::string(key) + ".";
  return inner;
}

size_t Config::integer(std::string_view key, size_t low, size_t high,
                       std::optional<size_t> absent) const {
  const Json* json = find(key);
  if (json == nullptr && absent) return *absent;
  const bool whole = json != nullptr && json->is_number_unsigned();
  if (!whole || json->get<uint64_t>() < low || json->get<uint64_t>() > high) {
    fail(key, "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return static_cast<size_t>(json->get<uint64_t>());
}

double Config::number(std::string_view key, double low, double high,
                      std::optional<double> absent) const {
  const Json* json = find(key);
  if (json == nullptr && absent) return *absent;
  const double x = json != nullptr && json->is_number() ? json->get<double>() : std::nan("");
  if (!(x >= low && x <= high))
    fail(key, "a number from " + number_text(low) + " to " + number_text(high));
  return x;
}

bool Config::boolean(std::string_view key, std::optional<bool> absent) const {
  const Json* json = find(key);
  if (json == nullptr && absent) return *absent;
  if (json == nullptr || !json->is_boolean()) fail(key, "true or false");
  return json->get<bool>();
}

std::string Config::string(std::string_view key, std::optional<std::string> absent) const {
  const Json* json = find(key);
  if (json == nullptr && absent) return *absent;
  if (json == nullptr || !json->is_string()) fail(key, "a text");
  return json->get<std::string>();
}

std::vector<std::string> Config::strings(std::string_view key) const {
  const Json* json = find(key);
  std::vector<std::string> list;
  if (json == nullptr) return list;
  if (!json->is_array()) fail(key, "a list of texts");
  for (const Json& item : *json) {
    if (!item.is_string()) fail(key, "a list of texts");
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::vector<double> Config::numbers(std::string_view key, size_t n, double low,
                                    double high) const {
  if (is_number(key)) return std::vector<double>(n, number(key, low, high));
  const Json* json = find(key);
  std::vector<double> list;
  for (size_t i = 0; json != nullptr && json->is_array() && i < json->size(); ++i) {
    const Json& item = (*json)[i];
    const double x = item.is_number() ? item.get<double>() : std::nan("");
    if (!(x >= low && x <= high)) break;
    list.push_back(x);
  }
  if (list.size() != n || json->size() != n) {
    fail(key, "a number, or a list of " + std::to_string(n) + ", from " + number_text(low) +
                  " to " + number_text(high));
  }
  return list;
}

std::vector<size_t> Config::integers(std::string_view key, size_t n, size_t low,
                                     size_t high) const {
  if (is_number(key)) return std::vector<size_t>(n, integer(key, low, high));
  std::vector<size_t> list;
  for (const double x : numbers(key, n, static_cast<double>(low), static_cast<double>(high))) {
    if (x != std::floor(x)) fail(key, "whole numbers");
    list.push_back(static_cast<size_t>(x));
  }
  return list;
}

}  // namespace sterna::models
