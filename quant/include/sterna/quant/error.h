#pragma once

#include <stdexcept>
#include <string>

namespace sterna {

/// Thrown at load, parse and API edges. The message is one line that says where (file, tensor,
/// option), what was expected and what was found:
///   model.gguf: tensor "predictor.head.weight": expected [384, 256], found [256, 384]
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace sterna
