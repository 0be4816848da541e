#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sterna {

/// Thrown at load, parse and API edges. The message is one line that says where (file, tensor,
/// option), what was expected and what was found:
///   model.gguf: tensor "predictor.head.weight": expected [384, 256], found [256, 384]
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

/// Throws Error "WHERE: WHAT: expected E, found F" where two sizes are not the same.
class SizeCheck {
 public:
  explicit constexpr SizeCheck(const char* where) : where_(where) {}

  void operator()(std::string_view what, size_t expected, size_t found) const {
    if (expected == found) return;
    throw Error(std::string(where_) + ": " + std::string(what) + ": expected " +
                std::to_string(expected) + ", found " + std::to_string(found));
  }

 private:
  const char* where_;
};

}  // namespace sterna
