#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "bench/stream.h"

namespace sterna::cli {

/// What was said of a stretch of the stream.
struct Spoken {
  double start = 0, end = 0;
  std::string text;       // a label
  std::string caption{};  // a sentence
};

/// The output nearest in time to each event's middle (0 seconds away if it covers it; of equal ones
/// the earlier): indices into `outputs`, ascending in time. Empty if there is no output.
std::vector<size_t> nearest_outputs(const std::vector<StreamEvent>& events,
                                    const std::vector<Spoken>& outputs);

/// Share of events whose nearest output is their label.
double accuracy(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs);

/// Mean CIDEr (Vedantam et al. 2015, equation 3 with n = 1..4, times 10) of each event's nearest
/// output's caption against its own; document frequencies over the events. Captions of fewer than n
/// words have no n-grams and count 0 for that n.
double cider(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs);

struct BoundaryF1 {
  double all = 0;
  // Recall of that kind, with the precision of all; nullopt if there is none of it.
  std::optional<double> cuts, dissolves;
};

/// F1 of the changes between outputs against those between events, each matched once within
/// `tolerance` seconds.
BoundaryF1 boundary_f1(const std::vector<StreamEvent>& events, const std::vector<Spoken>& outputs,
                       double tolerance);

}  // namespace sterna::cli
