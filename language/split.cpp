#include <algorithm>

#include "pre_tokenizers.h"

namespace sterna::language {

namespace {

/// Joins each stretch to the one before it where `join(stretch, is the one before a match)`.
template <class Join>
void fold(std::vector<Stretch>& stretches, Join join) {
  size_t kept = 0;
  bool previous = false;
  for (size_t i = 0; i < stretches.size(); ++i) {
    const Stretch s = stretches[i];
    if (kept > 0 && join(s.match, previous)) {
      stretches[kept - 1].begin = std::min(stretches[kept - 1].begin, s.begin);
      stretches[kept - 1].end = std::max(stretches[kept - 1].end, s.end);
    } else {
      stretches[kept++] = s;
    }
    previous = s.match;
  }
  stretches.resize(kept);
}

}  // namespace

void split(std::vector<Stretch>& stretches, Delimiter behaviour) {
  const auto merged = [](bool match, bool previous) { return match && !previous; };
  switch (behaviour) {
    case Delimiter::kRemoved:
      std::erase_if(stretches, [](const Stretch& s) { return s.match; });
      break;
    case Delimiter::kIsolated:
      break;
    case Delimiter::kMergedWithPrevious:
      fold(stretches, merged);
      break;
    case Delimiter::kMergedWithNext:
      std::reverse(stretches.begin(), stretches.end());
      fold(stretches, merged);
      std::reverse(stretches.begin(), stretches.end());
      break;
    case Delimiter::kContiguous:
      fold(stretches, [](bool match, bool previous) { return match == previous; });
      break;
  }
}

}  // namespace sterna::language
