// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Host
import Libbpf

@testable import Datapath

/// The parts of `status --json` that tell of a trial.
struct Tried: Decodable {
    struct Trial: Decodable {
        var generation: Int
        var base: Int?
        var until: String
    }
    var generation: Int
    var trialUntil: String?
    var trial: Trial?
}

extension Bulkhead {
    /// Lets the time of the trial come now: it ends as ever, by the next packet, and no command has settled it.
    func letTrialEnd() throws {
        let maps = try Instance(instance).openMaps()
        let stamp = try Mapping(maps[.stamp], writable: true)
        stamp.store(KernelClock.nanoseconds(CLOCK_BOOTTIME), in: \bh_stamp.until)
    }
}
