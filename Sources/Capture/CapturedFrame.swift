// SPDX-License-Identifier: Apache-2.0

/// One frame of a capture file.
public struct CapturedFrame: Sendable, Hashable {
    /// What the capture kept of the frame, from its first byte.
    public var bytes: [UInt8]
    /// Bytes that the frame had on the wire; never less than `bytes.count`.
    public var originalLength: Int
    /// LINKTYPE number of the interface it was captured on; 1 is Ethernet.
    public var linkType: Int
    /// Nanoseconds since 1970 (UTC); nil if the file does not say, as in a simple packet block.
    public var time: UInt64?

    public init(bytes: [UInt8], originalLength: Int? = nil, linkType: Int = ethernet, time: UInt64? = nil) {
        self.bytes = bytes
        self.originalLength = max(originalLength ?? bytes.count, bytes.count)
        self.linkType = linkType
        self.time = time
    }

    /// The most bytes that are read of one frame. The largest super-packet of Linux (BIG TCP) has half as many.
    static let largest = 1 << 20

    /// LINKTYPE_ETHERNET.
    public static let ethernet = 1
}
