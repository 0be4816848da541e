#pragma once

#include <sterna/models/model.h>
#include <sterna/quant/linear.h>

#include <filesystem>
#include <string>
#include <vector>

namespace sterna::models {

/// How one output of a model agrees with the reference's.
struct Agreement {
  std::string output;      // its name in the golden file
  double cosine = 0;       // of all compared numbers, as one vector
  double max_rel_err = 0;  // largest |found - expected| / largest |expected|
};

struct CheckOptions {
  quant::Isa isa = quant::best_isa();
  /// What transformer blocks that lie there as floats are packed to, to see what that costs. A GGUF
  /// of Sterna's own kind runs as it is.
  quant::Type weights = quant::Type::f32;
};

/// Runs a model, a Hugging Face folder or a GGUF (its own, or convert()'s), on the inputs in
/// `golden`, a safetensors file, and compares what it gives with the expected outputs in it, in the
/// order of their names:
///   open-vljepa   pixels [B,T,3,H,W] normalised, query_ids, query_mask, target_ids, target_mask
///   [B,L]
///                 -> vision_tokens, vision_tokens_one_frame (of pixels[:, :1]), predicted, target
///   vision tower  pixel_values [B,3,H,W]; or pixel_values_videos [B,T,3,H,W]; or patches
///                 pixel_values [B,N,3pp], spatial_shapes [B,2], pixel_attention_mask [B,N]
///                 -> last_hidden_state, pooled, image_embeds, hidden_states.N
///   V-JEPA 2      with its predictor also context_mask, target_mask [B,n]: numbers of patches
///                 -> predictor_output
///   text tower    input_ids, attention_mask [B,L] -> last_hidden_state, pooled,
///                 sentence_embedding or text_embeds, hidden_states.N
///   dual model    both -> image_embeds, text_embeds
///   GGUF          as open-vljepa, T = 1 and pictures of the tower's size, without one_frame; a
///                 converted one: as the folder that it was
/// hidden_states.N is what stands behind N blocks, before the final norm. Without a mask all tokens
/// count. Positions that a mask hides are not compared.
/// Embeddings are compared as the golden has them: its rows of unit length with ours normalised.
/// Throws sterna::Error naming file and fault: an unusable model, a missing input, a shape that the
/// model does not give, an expected output it does not have.
std::vector<Agreement> check(const std::filesystem::path& model,
                             const std::filesystem::path& golden, Session& session,
                             const CheckOptions& options = {});

/// What became of an output of a model that was stored otherwise.
struct OutputChange {
  std::string output;
  double before = 1, after = 1;  // cosines to what is expected
};

/// Runs two files of one model, each a folder or a converted GGUF, on the inputs in `golden` and
/// compares both with the outputs in it. Without a golden file (an empty name), inputs are made up
/// (noise of the model's size, the same for every call) and the outputs of `before` are what is
/// expected. Throws as check() does.
std::vector<OutputChange> compare(const std::filesystem::path& before,
                                  const std::filesystem::path& after,
                                  const std::filesystem::path& golden, Session& session,
                                  quant::Isa isa = quant::best_isa());

}  // namespace sterna::models
