#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sterna::models {

/// Tensors whose names match `pattern` (* stands for any text, ? for one character) are stored as
/// `type`. Of folders and converted files, whose tensors are known by what they are there for, a
/// pattern may also be a word: @maps (linear maps), @blocks (those of transformer blocks),
/// @predictor, @tower, @text (those of the blocks of one part), @tables (rows looked up).
///   keep               as they are
///   f32, f16           plain, any shape
///   bf16, i8, t2, t5, t34, t14
///                      weights of a linear map in quant's layouts; two or more dimensions
///   tq1_0, tq2_0       ggml's ternary blocks, for programs that read those; rows of n * 256
///   i8row              a table that is looked up by row; two dimensions
struct QuantizeRule {
  std::string pattern;
  std::string type;
  size_t group = 0;  // i8, t2, t5, t34, t14: inputs that share a scale (64, 128, 256), or 0: a row
};

/// Reads "pattern=type,pattern=type/group,...". The word `shipped` stands for shipped_rules().
/// Throws sterna::Error naming the rule at fault.
std::vector<QuantizeRule> parse_rules(std::string_view text);

/// How the default model is stored: ternary maps of the transformer blocks as t5, the text tower as
/// i8, other matrices as bf16, tables as i8row, and what is small as f32.
std::span<const QuantizeRule> shipped_rules();

/// What to calibrate on: of Sterna's own files, texts for the text tower, some hundreds of all kinds
/// that it will read; of converted files, a safetensors file of inputs as check() takes them
/// (pixels, query_ids, ...), thousands of tokens for every map. Without either nothing is
/// calibrated. The result does not depend on the number of threads (0: every core).
struct Calibration {
  std::span<const std::string> texts = {};
  std::filesystem::path inputs = {};
  int threads = 0;
};

struct QuantizedTensor {
  std::string name;
  std::string from, to;  // types
  std::vector<uint64_t> shape;
  uint64_t weights = 0;
  uint64_t bytes_before = 0, bytes_after = 0;  // scales included
};

/// Error of a calibrated map's outputs, as a share of their standard deviation over the texts; of a
/// converted file's maps, of their root mean square over the inputs.
struct CalibratedMap {
  std::string name;
  double nearest = 0;   // had its weights been rounded to nearest, by the scales of quant::pack
  double error = 0;     // as they are
  double refitted = 0;  // of ternary types: rounded to nearest with scales of least squares
};

struct QuantizeReport {
  std::vector<QuantizedTensor> tensors;
  std::vector<CalibratedMap> calibrated;
  uint64_t file_before = 0, file_after = 0;
};

/// Rewrites the GGUF `in` as `out`: metadata are copied, and each tensor is stored by the first
/// rule that matches its name; without one it is kept. Tensors are read, packed and written one
/// after another, so memory holds one of them at a time. `out` appears only when complete, and may
/// be `in`. Only f32, f16, bf16, tq1_0 and tq2_0 (ggml's, row-major) tensors can change type, and
/// t2, t5, t34, t14, tq1_0 and tq2_0 to one of t2, t5, tq1_0, tq2_0: their integers and scales go
/// over as they are, where the scales fit the group that is asked for (tq1_0, tq2_0: 256). Asking
/// for another type of an already quantised tensor is an error.
///
/// Of a converted file, rules also know tensors by what they are there for, and types that make no
/// sense for a tensor are refused, as in convert().
///
/// Ternary weights are trained through the very rounding of quant::pack, so that packing them loses
/// nothing (BitNet b1.58, arXiv 2402.17764, eq. 1-3). The text tower was trained in float: with
/// texts to calibrate on, those of its maps that become i8 are rounded for the least error of their
/// outputs on such texts (GPTQ, Frantar et al., arXiv 2210.17323), and their biases take up what is
/// left of the mean error. Maps of a converted file's blocks, whose networks were trained in float
/// too, are rounded so to i8 or ternary, block after block, each on inputs that carry the rounding of
/// those before it; what ternary costs without training is in the report. The types, sizes and layout
/// of the file stay the same. Calibrating needs a converted file or a sterna GGUF with the text tower
/// in f32, and memory for the texts' activations beside one map's matrices in double.
QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        std::span<const QuantizeRule> rules, const Calibration& calibration = {});

}  // namespace sterna::models
