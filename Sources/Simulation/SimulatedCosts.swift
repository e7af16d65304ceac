// SPDX-License-Identifier: Apache-2.0
import Datapath
import Libbpf

extension Simulator {
    /// Judges a frame many times in a row, each time with what the times before have left.
    ///
    /// - Returns: What the program said the last time, and how many nanoseconds one time took in the mean.
    package func measure(
        frame: [UInt8], portRecord: Int, hook: Hook, repetitions: UInt32
    ) throws(DatapathError) -> (outcome: Outcome?, nanoseconds: UInt32) {
        let fitted = TestFrame(frame, originalLength: frame.count)
        var duration: UInt32 = 0
        let outcome = try judge(
            length: fitted.length, portRecord: portRecord, device: nil, hook: hook, isQuarantined: false
        ) { () throws(BPFError) in
            let run = try loaded(hook).program.testRun(frame: fitted.bytes, repetitions: repetitions)
            duration = run.duration
            return run
        }
        return (outcome, duration)
    }
}
