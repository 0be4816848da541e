#pragma once

#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace sterna::test {

/// A file of tests/golden/language, read from its front.
class Golden {
 public:
  explicit Golden(const char* name) {
    std::ifstream in(std::string(STERNA_TEST_DATA) + "/golden/language/" + name, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    if (bytes_.empty()) throw std::runtime_error(std::string("no golden file ") + name);
  }
  bool done() const { return at_ == bytes_.size(); }
  std::string bytes(size_t n) {
    if (n > bytes_.size() - at_) throw std::runtime_error("golden file is too short");
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  template <class T>
  T value() {
    T v;
    std::memcpy(&v, bytes(sizeof v).data(), sizeof v);
    return v;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

}  // namespace sterna::test
