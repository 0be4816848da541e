#pragma once

#include <sterna/nn/executor.h>
#include <sterna/nn/workspace.h>
#include <sterna/predictor/pointer_predictor.h>

#include <cstddef>
#include <span>

namespace sterna::predictor {

/// How much each place of a picture supports an answer: occlusion sensitivity (Zeiler and Fergus,
/// arXiv 1311.2901, section 4.2). Where they paint a patch grey, a vision token is left out
/// (attention and pointer give tokens no positions, and the pointer's layout gets a hole).
///   support_i = cos(f(question, V), y) - cos(f(question, V without i), y)
/// The tokens were mixed by the tower before: neighbours, and the mean, still hold some of what the
/// place showed, so a support is small against the cosine. Only its order and ratios tell.
///
/// `query` has T vision tokens, of which the first T - places.size() are no places (a mean over
/// the picture) and are never left out; there must be a token left. `target` [dim] is y, of unit
/// length. Writes places [p] and returns the cosine with nothing left out. p + 1 passes run in
/// batches of bounded memory; the bits depend neither on these nor on threads. Throws sterna::Error
/// if shapes disagree.
float occlusion(const PointerPredictor& predictor, const Query& query,
                std::span<const float> target, std::span<float> places,
                const nn::Executor& executor, nn::Workspace& workspace);

}  // namespace sterna::predictor
