#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pre_tokenizers.h"
#include "utf8.h"

namespace sterna::language {

/// Cuts every piece: find(text, stretches) appends stretches that cover the text.
template <class Find>
void cut(Pieces& pieces, Delimiter behaviour, Find find) {
  std::vector<Pieces::Piece> out;
  out.reserve(pieces.pieces.size());
  std::vector<Stretch> stretches;
  for (const auto& piece : pieces.pieces) {
    stretches.clear();
    find(pieces.view(piece), stretches);
    split(stretches, behaviour);
    for (const Stretch& s : stretches)
      if (s.begin < s.end)
        out.push_back(
            {piece.begin + s.begin, piece.begin + s.end, piece.from_first && s.begin == 0});
  }
  pieces.pieces = std::move(out);
}

/// Each character that `is_delimiter` is a stretch of its own.
template <class Is>
auto characters(Is is_delimiter) {
  return [is_delimiter](std::string_view text, std::vector<Stretch>& out) {
    size_t done = 0;
    const char* const data = text.data();
    for (const char *p = data, *end = data + text.size(); p != end;) {
      const auto here = static_cast<size_t>(p - data);
      if (!is_delimiter(utf8::next(p))) continue;
      if (done < here) out.push_back({done, here, false});
      done = static_cast<size_t>(p - data);
      out.push_back({here, done, true});
    }
    if (done < text.size()) out.push_back({done, text.size(), false});
  };
}

/// Stretches of the matches that each(text, found) reports.
template <class Each>
auto matches(Each each, bool invert) {
  return [each, invert](std::string_view text, std::vector<Stretch>& out) {
    size_t done = 0;
    each(text, [&](size_t begin, size_t end) {
      if (done < begin) out.push_back({done, begin, invert});
      out.push_back({begin, end, !invert});
      done = end;
    });
    if (done < text.size()) out.push_back({done, text.size(), invert});
  };
}

/// Writes every piece anew: write(piece, out) appends.
template <class Write>
void rewrite(Pieces& pieces, Write write) {
  std::string out;
  out.reserve(pieces.text.size() + pieces.text.size() / 4 + 16);
  for (auto& piece : pieces.pieces) {
    const size_t begin = out.size();
    write(piece, out);
    piece.begin = begin;
    piece.end = out.size();
  }
  pieces.text = std::move(out);
}

}  // namespace sterna::language
