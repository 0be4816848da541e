#pragma once

#include <sterna/decoder/generator.h>
#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/error.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "beam_caches.h"
#include "beam_search.h"

namespace sterna::decoder {

/// The texts under way and what the network that writes them keeps; memory of one frame.
struct Writing {
  BeamSearch beams;
  nn::Mat<float> x;  // [beams, d]: the live texts' last position
  BeamCaches caches;

  Writing(size_t most, size_t length, size_t positions, size_t blocks, size_t d, size_t key_width,
          nn::Workspace& w)
      : beams(most, length, w),
        x(w.mat<float>(most, d)),
        caches(most, positions, blocks, key_width, w) {}
};

inline void check_beams(const char* who, size_t beams) {
  if (beams >= 1 && beams <= Generator::kMostBeams) return;
  throw Error(std::string(who) + ": expected 1.." + std::to_string(Generator::kMostBeams) +
              " beams, found " + std::to_string(beams));
}

/// The rest of generate() once w.x is what the embedding leads to: grow() writes a piece of every
/// live text, follow() reads it, id_of(row) names it. `ids` [best.size(), length] are the caller's.
template <class Grow, class Follow, class IdOf>
size_t write_texts(Writing& w, nn::Mat<uint32_t> ids, std::span<GeneratedText> best,
                   const Grow& grow, const Follow& follow, const IdOf& id_of) {
  grow();
  while (!w.beams.finished()) {
    follow();
    grow();
  }
  const auto texts = w.beams.result();
  for (size_t i = 0; i < texts.size(); ++i) {
    for (size_t k = 0; k < texts[i].pieces; ++k) ids.row(i)[k] = id_of(texts[i].rows[k]);
    best[i] = {{ids.row(i), texts[i].pieces}, texts[i].score};
  }
  return texts.size();
}

}  // namespace sterna::decoder
