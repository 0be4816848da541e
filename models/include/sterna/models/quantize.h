#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
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
///                      weights of a linear map in quant's layouts; two or more dimensions.
///                      Integers also of a table: rows are gathered; t5 is searched fast, too
///   q4_0               ggml's blocks of 32 weights, of a table or of a linear map, which is laid
///                      out as bf16 when it is opened; rows of n * 32
///   tq1_0, tq2_0       ggml's ternary blocks, for programs that read those; rows of n * 256
///   i8row              int8 row by row with a scale a row: of a table that is looked up, or of a
///                      linear map, which is laid out as bf16, or of kernels; two or more
///                      dimensions
struct QuantizeRule {
  std::string pattern;
  std::string type;
  std::string otherwise = {};  // where the blocks of `type` don't divide rows, if not empty
  size_t group = 0;  // i8, t2, t5, t34, t14: inputs that share a scale (64, 128, 256), or 0: a row
};

/// Reads "pattern=type,pattern=type/group,pattern=type|otherwise,...". The word `shipped` stands
/// for shipped_rules(). Throws sterna::Error naming the rule at fault.
std::vector<QuantizeRule> parse_rules(std::string_view text);

/// How the default model is stored: what was trained ternary (the blocks, the text tower with its
/// words) and the answers as t5, other matrices and tables as q4_0 or i8row, vectors as f16.
std::span<const QuantizeRule> shipped_rules();

/// A picture and what is asked about it. It is decoded when it is needed, once.
struct AskedPicture {
  std::function<vision::Image()> picture;
  std::vector<std::string> questions;
};

/// What to calibrate on. Of Sterna's own files: texts for the text tower, some hundreds of all
/// kinds that it will read; pictures with questions for the blocks of vision tower and predictor,
/// some dozens with some hundreds. Of converted files: a safetensors file of inputs as check()
/// takes them (pixels, query_ids, ...), thousands of tokens for every map. Without any of these
/// nothing is calibrated. The result does not depend on the number of threads (0: every core).
struct Calibration {
  std::span<const std::string> texts = {};
  std::span<const AskedPicture> pictures = {};
  std::filesystem::path inputs = {};
  int threads = 0;
};

/// Asked before each tensor that is written: true ends the run, which then leaves no file and
/// throws sterna::Error.
using StopAsked = std::function<bool()>;

struct QuantizedTensor {
  std::string name;
  std::string from, to;  // types
  std::vector<uint64_t> shape;
  uint64_t weights = 0;
  uint64_t bytes_before = 0, bytes_after = 0;  // scales included
};

/// Error of a calibrated map's outputs, as a share of their standard deviation over the texts; of
/// maps of blocks without biases and of converted files, of their root mean square over the inputs.
struct CalibratedMap {
  std::string name;
  double nearest = 0;   // had its weights been rounded to nearest, by the scales of quant::pack
  double error = 0;     // as they are
  double refitted = 0;  // of ternary types: rounded to nearest with scales of least squares
};

struct QuantizeReport {
  std::vector<QuantizedTensor> tensors;
  std::vector<CalibratedMap> calibrated;
  std::vector<QuantizeRule> unmatched;  // rules that match no tensor
  uint64_t file_before = 0, file_after = 0;
};

/// Rewrites the GGUF `in` as `out`: metadata are copied, and each tensor is stored by the first
/// rule that matches its name; without one it is kept. Tensors are read, packed and written one
/// after another, so memory holds one of them at a time. `out` appears only when complete, and may
/// be `in`. Only f32, f16, bf16, tq1_0 and tq2_0 (ggml's, row-major) tensors can change type, and
/// t2, t5, t34, t14, tq1_0 and tq2_0 to one of t2, t5, tq1_0, tq2_0: their integers and scales go
/// over as they are, where the scales fit the group that is asked for (tq1_0, tq2_0: 256). Any of
/// Sterna's layouts, i8row and q4_0 become f32; i8row and q4_0 nothing but that. Asking for another
/// type of an already quantised tensor is an error.
///
/// Of a converted file, rules also know tensors by what they are there for, and types that make no
/// sense for a tensor are refused, as in convert().
///
/// Ternary weights are trained through the very rounding of quant::pack, so that packing them loses
/// nothing (BitNet b1.58, arXiv 2402.17764, eq. 1-3): the blocks and the text tower of the default
/// model. A text tower that was trained in float takes i8: with texts to calibrate on, those of its
/// maps that become i8 are rounded for the least error of their outputs on such texts (GPTQ,
/// Frantar et al., arXiv 2210.17323), and their biases take up what is left of the mean error. Maps
/// of the blocks of vision tower and predictor, given pictures, and of a converted file's blocks,
/// given inputs, are rounded so to i8 or ternary, each on inputs that carry the rounding of those
/// before it: for networks that were trained in float. What ternary costs without training is in
/// the report. The types, sizes and layout of the file stay the same. Calibrating needs a converted
/// file or a sterna GGUF with what is calibrated in f32, and memory for the activations beside one
/// map's matrices in double.
QuantizeReport quantize(const std::filesystem::path& in, const std::filesystem::path& out,
                        std::span<const QuantizeRule> rules, const Calibration& calibration = {},
                        const StopAsked& stop = {});

}  // namespace sterna::models
