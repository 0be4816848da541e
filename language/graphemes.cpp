#include "graphemes.h"

#include "unicode_classes.h"
#include "utf8.h"

namespace sterna::language {

namespace {

using unicode::Grapheme;

bool extends(Grapheme g) {
  return g == Grapheme::kExtend || g == Grapheme::kLinker || g == Grapheme::kConjunctExtend ||
         g == Grapheme::kJoiner;
}

/// GB6, GB7, GB8.
bool syllable_goes_on(Grapheme a, Grapheme b) {
  if (a == Grapheme::kL)
    return b == Grapheme::kL || b == Grapheme::kV || b == Grapheme::kLv || b == Grapheme::kLvt;
  if (a == Grapheme::kLv || a == Grapheme::kV) return b == Grapheme::kV || b == Grapheme::kT;
  return (a == Grapheme::kLvt || a == Grapheme::kT) && b == Grapheme::kT;
}

}  // namespace

size_t grapheme_size(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  const char32_t first = utf8::next(p);
  if (first == '\r' && p != end && *p == '\n') return 2;
  Grapheme last = unicode::grapheme(first);
  // GB11: a picture and what extends it, with a joiner last. GB9c: a consonant and what extends it
  // in a conjunct, with a linker among it.
  bool picture = last == Grapheme::kPicture;
  bool consonant = last == Grapheme::kConsonant, linked = false;
  while (p != end && last != Grapheme::kControl) {
    const char* const here = p;
    const Grapheme g = unicode::grapheme(utf8::next(p));
    const bool joined = g != Grapheme::kControl &&
                        (extends(g) || g == Grapheme::kSpacing || last == Grapheme::kPrepend ||
                         syllable_goes_on(last, g) ||
                         (g == Grapheme::kPicture && picture && last == Grapheme::kJoiner) ||
                         (g == Grapheme::kConsonant && consonant && linked));
    if (!joined) return static_cast<size_t>(here - text.data());
    picture = g == Grapheme::kPicture || (picture && extends(g));
    linked = consonant && (g == Grapheme::kLinker || (linked && g != Grapheme::kConsonant));
    consonant = g == Grapheme::kConsonant || (consonant && extends(g) && g != Grapheme::kExtend);
    last = g;
  }
  return static_cast<size_t>(p - text.data());
}

}  // namespace sterna::language
