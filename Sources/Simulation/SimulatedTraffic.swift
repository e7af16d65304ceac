// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Datapath
import Libbpf

extension Simulator {
    /// So many devices there may be, with 0, which is none.
    package static let devices = Int(BH_DEVICES_MAX)

    /// Forgets all flows and datagrams.
    package func forgetTraffic() throws(DatapathError) {
        do throws(BPFError) {
            try clearState()
        } catch {
            throw DatapathError("cannot change what the programs remember", error)
        }
    }
}
