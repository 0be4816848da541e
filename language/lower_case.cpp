#include <sterna/language/lower_case.h>

#include "unicode.h"
#include "utf8.h"

namespace sterna::language {

std::string lower_case(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const auto [code, size] = utf8::decode(text);
    const unicode::Info* info = size == 0 ? nullptr : &unicode::info(code);
    if (info == nullptr || info->lower_size == 0) {
      out += text.substr(0, size == 0 ? 1 : size);
    } else {
      char bytes[4];
      for (size_t i = 0; i < info->lower_size; ++i)
        out.append(bytes, utf8::encode(unicode::kPool[info->lower + i], bytes));
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return out;
}

}  // namespace sterna::language
