#pragma once

#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>
#include <sterna/predictor/pointer_predictor.h>
#include <sterna/quant/isa.h>

#include <cstddef>

#include "layout.h"

namespace sterna::predictor {

inline constexpr size_t kPlaceFound = PointerPredictor::kPlaceFound;
inline constexpr size_t kWordFound = PointerPredictor::kWordFound;
static_assert(kWordFound == kLayout + 2);
inline constexpr float kCosineGain = 5;  // cosines of texts differ by tenths

/// Where in the picture a question's words find what they mean. Of the cosines c_jt between the
/// features h_j of its words and the meanings s_t of the places, each less its mean over the places
/// (the first token, the picture as a whole, is none of them):
///   places [T, 2]  5 c_qt of the question's own embedding q = L2norm(sum h), 5 max_j c_jt
///   words [L, 10]  layout(30 c_j1 .. 30 c_jT-1), 5 max_t c_jt, 5 times the mean that was taken off
/// Zeros for words where the picture has no places. tools/train/found.py `grounded`.
void grounded(const Query& query, nn::Mat<float> places, nn::Mat<float> words,
              nn::Workspace& workspace, quant::Isa isa);

}  // namespace sterna::predictor
