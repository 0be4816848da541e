#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/score.h"

namespace sterna::cli {

/// A stream whose frames have been embedded.
struct EmbeddedStream {
  size_t dim = 0;
  std::vector<double> times;  // seconds
  std::vector<float> rows;    // [times, dim]

  std::span<const float> row(size_t i) const { return std::span(rows).subspan(i * dim, dim); }
};

/// One policy at one rate on one stream.
struct PolicyRow {
  std::string policy;
  double rate = 0;      // decodes a second asked for; 0: the threshold that `watch` begins with
  size_t decodes = 0;   // entries of the decoder
  size_t segments = 0;  // outputs: more than decodes where words were recalled
  double score = 0;     // closed labels: accuracy of the output nearest in time to each event
  double cider = 0;     // the same for captions
  double f1 = 0;        // boundaries within 0.5 s
  std::optional<double> f1_cuts{}, f1_dissolves{};
  // Most seconds between a boundary and the frame that told of it; none for what reads all first.
  std::optional<double> delay{};
};

/// Puts an embedding into a label and a caption: one entry of the decoder.
using PutIntoWords = std::function<void(std::span<const float>, Spoken&)>;

/// All policies. "uniform": at fixed intervals, the average over each. "sampled": the same from the
/// frame in the middle. "ward", "cusum", "variance": decoder::WardGate, CusumGate, VarianceGate.
/// "...+recall": meanings that come back are not decoded again (decoder::Recall).
std::span<const char* const> policies();
/// The rates of a sweep of it.
std::span<const double> rates_of(const std::string& policy);

PolicyRow run_policy(const std::string& policy, double rate, double recall_cosine,
                     const EmbeddedStream& stream, const std::vector<StreamEvent>& events,
                     const PutIntoWords& decode);

/// What knows the events' boundaries would say, from the average of each: policy "truth". A decode
/// puts one thing into words, so a gate without recall comes no further with fewer.
PolicyRow run_truth(const EmbeddedStream& stream, const std::vector<StreamEvent>& events,
                    const PutIntoWords& decode);

using Metric = double PolicyRow::*;

/// How many decodes `policy` needs to reach `score`: where its curve (rows in the order of their
/// decodes, straight lines between) first does; nullopt if it never does.
std::optional<double> decodes_for(const std::vector<PolicyRow>& rows, const std::string& policy,
                                  Metric metric, double score);

/// The same for decoding at fixed intervals: what the better of "uniform" and "sampled" needs.
std::optional<double> fixed_decodes_for(const std::vector<PolicyRow>& rows, Metric metric,
                                        double score);

/// The rows of several streams as if they were one: decodes added up, scores averaged.
std::vector<PolicyRow> pool(const std::vector<std::vector<PolicyRow>>& streams);

/// The better score of "uniform" and "sampled" at a rate of the sweep.
double fixed_score(const std::vector<PolicyRow>& rows, Metric metric, double rate);

}  // namespace sterna::cli
