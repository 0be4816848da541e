#pragma once

#include <sterna/nn/mat.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sterna::decoder {

// Offline selective decoding: Ward's agglomerative clustering of a sequence of embeddings in which
// only neighbours in time may merge (VL-JEPA, arXiv 2512.10942, selective decoding; the clustering:
// Ward 1963, J. Am. Stat. Assoc. 58; under a chain it is CONISS, Grimm 1987, Computers &
// Geosciences 13). Letters: n frames, d numbers an embedding.

/// The merge of the two neighbouring segments that meet at frame `boundary` (the first frame of the
/// later one).
struct WardMerge {
  size_t boundary = 0;
  /// What the merge adds to the sum over all frames of w |x - average of its segment|^2:
  ///   w1 w2 / (w1 + w2) |c1 - c2|^2.
  double cost = 0;
};

/// The height at which scipy and scikit-learn draw a merge of that cost: sqrt(2 cost).
double ward_height(double cost);

/// All n - 1 merges of a sequence, in the order in which they were made: each joins the neighbours
/// whose merge costs least, of equal ones those that come first. Exact: the average of every
/// segment is kept in double, no merge is approximated. Const after construction.
///
/// Time O(n (d + log n)). Memory beyond the input: O(n), and the double sums of the segments that
/// have two frames or more at one moment, at most n/2 rows of d.
///
/// Costs need not rise from merge to merge: a segment A that joins B may then lie nearer to C than
/// B did, since A and C could not meet before. The tree equals scikit-learn's
/// AgglomerativeClustering(linkage="ward") with a chain for connectivity, up to equal costs.
class WardTree {
 public:
  /// Clusters the rows of `embeddings` [n, d]; `weights` [n], e.g. how long each frame lasted, or
  /// empty for 1 each. Neither is kept. Throws Error for no frames or no columns, 2^32 frames or
  /// more, a number that is not finite, or a weight that is not positive.
  explicit WardTree(nn::Mat<const float> embeddings, std::span<const double> weights = {});

  size_t frames() const { return frames_; }
  /// [n - 1]
  std::span<const WardMerge> merges() const { return merges_; }

  // Cuts: the first frame of each segment, ascending, the first one 0.

  /// `segments` segments; 0 or more than there are frames is an Error.
  std::vector<size_t> cut_count(size_t segments) const;
  /// Merges until the cheapest merge costs more than `cost`. No segment then holds a merge that
  /// costs more, and every two neighbours would: scipy's fcluster(criterion="distance"), whether
  /// or not costs rise. Throws Error for NaN or a negative cost.
  std::vector<size_t> cut_cost(double cost) const;
  /// As many segments as `per_second` allows in the time from the first frame to the last, at least
  /// one. `times` [n] in seconds; steps backwards take no time. Throws Error for a rate that is not
  /// positive, a time that is not finite, or another number of times.
  std::vector<size_t> cut_rate(double per_second, std::span<const double> times) const;

 private:
  std::vector<size_t> cut_after(size_t merges) const;

  size_t frames_ = 0;
  std::vector<WardMerge> merges_;
};

/// The weighted average embedding of each segment [starts.size(), d], not normalised. Arguments as
/// WardTree's; `starts` as a cut returns them, else Error.
std::vector<float> segment_averages(nn::Mat<const float> embeddings, std::span<const size_t> starts,
                                    std::span<const double> weights = {});

}  // namespace sterna::decoder
