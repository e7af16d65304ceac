// SPDX-License-Identifier: Apache-2.0
import Datapath
import Libbpf

extension Simulator {
    /// Judges a frame that `send` sends to a device whose hook runs the program, see ``pin(_:at:)``. A test run cannot
    /// be told what a sender leaves to the kernel. Returns nil if the kernel drops the frame before the hook.
    package func judge(
        length: Int, portRecord: Int, hook: Hook, sending send: () -> Void
    ) throws(DatapathError) -> Outcome? {
        try judge(length: length, portRecord: portRecord, device: nil, hook: hook, isQuarantined: false) {
            () throws(BPFError) in
            send()
            return Program.Run(result: 0, duration: 0)
        }
    }

    /// Pins the program of a hook, so that a device can be given it.
    package func pin(_ hook: Hook, at pin: Pin) throws(DatapathError) {
        do throws(BPFError) {
            try loaded(hook).program.pin(at: pin)
        } catch {
            throw DatapathError("cannot pin the program", error)
        }
    }
}
