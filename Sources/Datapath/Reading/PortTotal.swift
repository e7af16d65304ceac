// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Wire

/// One port's counters in one direction, summed over CPUs.
struct PortTotal {
    /// By `enum bh_outcome`.
    private var outcomes = [Count](repeating: Count(), count: Int(BH_OUTCOME_MAX.rawValue))

    mutating func add(_ value: bh_port_counters) {
        unsafe withUnsafeBytes(of: value) { bytes in
            for index in outcomes.indices {
                outcomes[index] =
                    outcomes[index]
                    + Count(
                        unsafe bytes.load(
                            fromByteOffset: index * MemoryLayout<bh_count>.stride, as: bh_count.self))
            }
        }
    }

    var accepted: Count { PortTotal.accepting.reduce(Count()) { $0 + self[$1, accepted: true] } }
    /// Rejected packets included.
    var dropped: Count { PortTotal.dropping.reduce(Count()) { $0 + self[$1, accepted: false] } }
    /// Rejected packets that got no answer.
    var unanswered: UInt64 { outcomes[Int(BH_OUTCOME_UNANSWERED.rawValue)].packets }
    /// Reasons without packets are left out, as in ``drops``.
    var accepts: [Counters.ReasonCount] { PortTotal.accepting.compactMap { packets($0, accepted: true) } }
    var drops: [Counters.ReasonCount] { PortTotal.dropping.compactMap { packets($0, accepted: false) } }

    /// The reasons for which packets are dropped.
    private static let dropping = Reason.allCases.filter { $0.number < BH_REASON_ESTABLISHED.rawValue }
    /// Those for which they are accepted.
    private static let accepting = Reason.allCases.filter {
        [.rule, .default, .fragment].contains($0) || $0.number >= BH_REASON_ESTABLISHED.rawValue
    }

    private subscript(reason: Reason, accepted isAccepted: Bool) -> Count {
        outcomes[Int(bh_outcome(reason.number, isAccepted ? 1 : 0))]
    }

    private func packets(_ reason: Reason, accepted isAccepted: Bool) -> Counters.ReasonCount? {
        let packets = self[reason, accepted: isAccepted].packets
        return packets > 0 ? Counters.ReasonCount(reason: reason, packets: packets) : nil
    }
}
