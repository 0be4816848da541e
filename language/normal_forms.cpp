#include "normal_forms.h"

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "unicode.h"
#include "unicode_classes.h"
#include "utf8.h"

namespace sterna::language {

namespace {

struct Point {
  char32_t code;
  int32_t change;  // see normal_form
};
using Points = std::vector<Point>;

/// What one code point becomes.
void put(const char32_t* codes, size_t size, Points& out) {
  for (size_t i = 0; i < size; ++i) out.push_back({codes[i], i == 0 ? 0 : 1});
}

void decompose_hangul(char32_t c, Points& out) {  // Unicode 3.12
  const char32_t s = c - 0xAC00;
  const char32_t parts[] = {0x1100 + s / 588, 0x1161 + s % 588 / 28, 0x11A7 + s % 28};
  put(parts, s % 28 != 0 ? 3 : 2, out);
}

/// Full compatibility decompositions where they differ from the canonical ones.
class Compatibility {
 public:
  Compatibility() {
    using namespace unicode::tables;
    for (size_t i = 0; i < kCompatibilityRunsSize; i += 3)
      for (char32_t k = 0; k < kCompatibilityRuns[i + 1]; ++k) {
        at_[kCompatibilityRuns[i] + k] = {static_cast<uint32_t>(pool_.size()), 1};
        pool_.push_back(kCompatibilityRuns[i + 2] + k);
      }
    for (size_t i = 0; i < kCompatibilitySize; i += 2 + kCompatibility[i + 1]) {
      const char32_t size = kCompatibility[i + 1];
      at_[kCompatibility[i]] = {static_cast<uint32_t>(pool_.size()), size};
      pool_.insert(pool_.end(), kCompatibility + i + 2, kCompatibility + i + 2 + size);
    }
  }
  bool decompose(char32_t c, Points& out) const {
    const auto found = at_.find(c);
    if (found == at_.end()) return false;
    put(pool_.data() + found->second.first, found->second.size, out);
    return true;
  }

 private:
  struct Part {
    uint32_t first, size;
  };
  std::unordered_map<char32_t, Part> at_;
  std::vector<char32_t> pool_;
};

const Compatibility& compatibility() {
  static const Compatibility kCompatibility;
  return kCompatibility;
}

uint64_t pair(char32_t a, char32_t b) { return uint64_t{a} << 32 | b; }

/// Primary composites by their two parts. The first part of a composite of n code points is the
/// composite of its first n - 1: the tables hold full decompositions alone.
class Compositions {
 public:
  Compositions() {
    using namespace unicode;
    const auto* const excluded = tables::kNotComposed;
    for (size_t size = 2; size <= 4; ++size)
      for (char32_t c = 0; c < 0x110000; ++c) {
        const Info& i = info(c);
        if (i.decomposed_size != size ||
            std::binary_search(excluded, excluded + tables::kNotComposedSize, c))
          continue;
        const char32_t* const parts = kPool + i.decomposed;
        char32_t first = parts[0];
        for (size_t k = 1; k + 1 < size && first != 0; ++k) first = find(first, parts[k]);
        if (first != 0) pairs_.emplace(pair(first, parts[size - 1]), c);
      }
  }
  /// 0 where the two do not compose.
  char32_t find(char32_t a, char32_t b) const {
    if (a - 0x1100 < 19 && b - 0x1161 < 21) return 0xAC00 + (a - 0x1100) * 588 + (b - 0x1161) * 28;
    if (unicode::is_hangul_syllable(a) && (a - 0xAC00) % 28 == 0 && b - 0x11A8 < 27)
      return a + (b - 0x11A7);
    const auto found = pairs_.find(pair(a, b));
    return found == pairs_.end() ? 0 : found->second;
  }

 private:
  std::unordered_map<uint64_t, char32_t> pairs_;
};

uint8_t order(char32_t c) { return unicode::info(c).combining_class; }

/// Appends what `points` (a starter and the marks behind it) is composed to: UAX 15, D117.
void compose(const Points& points, Points& out) {
  static const Compositions kCompositions;
  constexpr size_t kNone = SIZE_MAX;
  size_t starter = kNone;
  uint8_t last = 0;
  for (const Point& point : points) {
    const uint8_t k = order(point.code);
    if (starter != kNone) {
      const bool adjacent = starter + 1 == out.size();
      const bool blocked = !adjacent && (last == 0 || last >= k);
      const char32_t whole = blocked ? 0 : kCompositions.find(out[starter].code, point.code);
      if (whole != 0) {
        out[starter] = {whole, out[starter].change + point.change - 1};
        continue;
      }
    }
    out.push_back(point);
    last = k;
    if (k == 0) starter = out.size() - 1;
  }
}

}  // namespace

std::string normal_form(std::string_view text, NormalForm form, std::vector<int32_t>* changes) {
  if (changes != nullptr) changes->assign(text.size(), 0);
  const auto ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::all_of(text.begin(), text.end(), ascii)) return std::string(text);
  const Compatibility* const compatible = form.compatibility ? &compatibility() : nullptr;
  Points all;
  all.reserve(text.size());
  for (const char *p = text.data(), *end = p + text.size(); p != end;) {
    const char32_t c = utf8::next(p);
    if (c < 0x80) {
      put(&c, 1, all);
    } else if (unicode::is_hangul_syllable(c)) {
      decompose_hangul(c, all);
    } else if (compatible == nullptr || !compatible->decompose(c, all)) {
      const unicode::Info& i = unicode::info(c);
      const bool whole = i.decomposed_size == 0;
      put(whole ? &c : unicode::kPool + i.decomposed, whole ? 1 : i.decomposed_size, all);
    }
  }
  // Canonical ordering (D109): runs of marks of class > 0 sorted by class.
  for (size_t i = 0; i < all.size();) {
    size_t end = i;
    while (end < all.size() && order(all[end].code) != 0) ++end;
    if (end > i + 1)
      std::stable_sort(
          all.begin() + static_cast<std::ptrdiff_t>(i),
          all.begin() + static_cast<std::ptrdiff_t>(end),
          [](const Point& a, const Point& b) { return order(a.code) < order(b.code); });
    i = std::max(end, i + 1);
  }
  if (form.compose) {
    Points composed;
    composed.reserve(all.size());
    compose(all, composed);
    all = std::move(composed);
  }
  std::string out;
  out.reserve(text.size());
  char bytes[4];
  for (const Point& point : all) out.append(bytes, utf8::encode(point.code, bytes));
  if (changes != nullptr) {
    changes->clear();
    for (const Point& point : all) changes->push_back(point.change);
  }
  return out;
}

}  // namespace sterna::language
