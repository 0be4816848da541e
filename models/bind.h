#pragma once

#include <sterna/decoder/nearest.h>
#include <sterna/language/text_encoder.h>
#include <sterna/models/gguf.h>
#include <sterna/models/weights.h>
#include <sterna/nn/row_table.h>
#include <sterna/predictor/pointer_predictor.h>
#include <sterna/quant/linear.h>
#include <sterna/vision/hybrid_tower.h>
#include <sterna/vision/preprocess.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

// The one place where names in a model file become modules. Dimensions come from the file's
// metadata and every tensor is asked for with the shape they imply. Views stay valid while the Gguf
// lives. All throw sterna::Error naming the file and the key or tensor at fault.
namespace sterna::models {

/// `name`.weight [m, k] and, if `bias`, `name`.bias [m].
quant::Linear bind_linear(const Weights& weights, std::string_view name, size_t m, size_t k,
                          bool bias, quant::Isa isa);
/// A table [rows, cols] in any of its types; rows = 0 accepts any number.
nn::RowTable bind_table(const Weights& weights, std::string_view name, size_t rows, size_t cols,
                        quant::Isa isa);
/// The blocks `scope`.blocks.0.. of width d, MLP width f.
std::vector<nn::TernaryBlock> bind_blocks(const Weights& scope, size_t blocks, size_t d, size_t f,
                                          size_t heads, quant::Isa isa);

/// sterna.language.* and sterna.tokenizer.*: the text tower, first in parts. Its width is that of
/// the text space.
struct TextParts {
  language::WordPiece tokenizer;
  language::BertWeights weights;
  size_t heads = 0;
  float eps = 0;
  size_t max_tokens = 0;
};
TextParts bind_text_parts(const Gguf& file, quant::Isa isa);
language::TextEncoder bind_text(const Gguf& file, quant::Isa isa);

/// sterna.vision.*: how pictures are brought to the tower's size, and the tower. `dim` is the width
/// of the text space. Here and below, weights in `replaced` stand in the place of the file's.
vision::Preprocess bind_preprocess(const Gguf& file);
vision::HybridTower bind_tower(const Gguf& file, const vision::Preprocess& preprocess, size_t dim,
                               quant::Isa isa, const Replaced* replaced = nullptr);

/// How many times as large the picture is that Sight::fine sees; absent from files that see once.
inline constexpr const char* kDetail = "sterna.vision.detail";

/// Blocks of what lies at the places; absent from files that have no such part.
inline constexpr const char* kGroundBlocks = "sterna.predictor.ground_blocks";

/// Whether what a question's named things are to each other is told; absent from files without.
inline constexpr const char* kReferents = "sterna.predictor.referents";

/// sterna.predictor.*.
predictor::PointerPredictor bind_predictor(const Gguf& file, size_t vision_width, size_t dim,
                                           quant::Isa isa, const Replaced* replaced = nullptr);

/// A number that older files do not have: `absent` then, else above 0 (or 0 too), `most` at most.
float optional_number(const Gguf& file, const char* key, float absent, float most,
                      bool zero_too = false);

/// sterna.decoder.*.
struct Decoder {
  decoder::NearestAnswer choices;     // for candidates that the caller gives
  decoder::NearestAnswer vocabulary;  // for the model's own answers
  float vocabulary_head_scale = 1;    // PointerPredictor's head_scale where `vocabulary` answers
  nn::RowTable answers;               // [texts, dim]
  const std::vector<std::string_view>* texts = nullptr;
};
Decoder bind_decoder(const Gguf& file, size_t dim, quant::Isa isa);

/// Decoder::vocabulary_head_scale.
float vocabulary_head_scale(const Gguf& file);

}  // namespace sterna::models
