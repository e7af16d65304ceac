// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Datapath

/// A frame as the kernel's test run takes it.
struct TestFrame {
    var bytes: [UInt8]
    /// The frame's length that the program is told.
    var length: Int

    /// The most bytes that the kernel's test run of a tc program takes.
    private static let limit = 3_400

    /// Fits a frame to the kernel's test run. The kernel refuses a frame that does not hold its Ethernet and IP
    /// headers. So such a frame is lengthened, and the program is told its real length, so that it never reads the
    /// filling.
    init(_ frame: [UInt8], originalLength: Int) {
        let minimum =
            switch frame.dropFirst(12).prefix(2) {
            case [0x08, 0x00]: 14 + 20
            case [0x86, 0xdd]: 14 + 40
            default: frame.count < 14 ? 64 : 14
            }
        if frame.count < minimum {
            let filling = [UInt8](repeating: 0, count: minimum - frame.count)
            bytes = frame + filling
            length = min(frame.count, originalLength)
        } else {
            bytes = Array(frame.prefix(TestFrame.limit))
            length = originalLength
        }
    }

    /// The `__sk_buff` of a super-packet; empty for other frames.
    static func context(_ size: UInt32, _ segments: UInt32, hook: HookName) -> [UInt8] {
        guard hook != .xdp, size > 0 || segments > 0 else { return [] }
        var context = unsafe __sk_buff()
        unsafe context.gso_size = size
        unsafe context.gso_segs = segments
        return unsafe withUnsafeBytes(of: context) { unsafe Array($0) }
    }
}
