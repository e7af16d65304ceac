// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// A compiled policy: one flat, position-independent run of bytes as `datapath_abi.h` lays it out. The same policy
/// gives the same bytes; the host's part of the header is zero.
public struct Image: Sendable {
    /// Starts with `bh_image_header`.
    public var bytes: [UInt8]
    /// Of the bytes, as in the header.
    public var sha256: [UInt8]
    public var statistics: Statistics
    /// Where the record of each port stands.
    public var ports: PortRecords

    /// What the compiler made of the policy.
    public struct Statistics: Sendable, Hashable {
        public var rules = 0
        public var addressClasses = 0
        public var nodes = 0
        public var services = 0
        public var contexts = 0
        public var jointClasses = 0
        public var cells = 0
        public var lists = 0
        public var longLists = 0

        public init() {}
    }

    public init(bytes: [UInt8], sha256: [UInt8], statistics: Statistics, ports: PortRecords) {
        self.bytes = bytes
        self.sha256 = sha256
        self.statistics = statistics
        self.ports = ports
    }
}

/// Why a valid policy cannot be compiled.
public struct CompileError: Error, Sendable, Hashable {
    /// The rule to blame, where there is one.
    public var rule: String?
    public var location: SourceLocation?
    /// The cause, with the dimension and figures.
    public var message: String

    public init(rule: String? = nil, location: SourceLocation? = nil, message: String) {
        self.rule = rule
        self.location = location
        self.message = message
    }
}
