// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Policy

/// A compiled policy: flat, position-independent bytes in the layout of `datapath_abi.h`. The same policy gives the
/// same bytes. The host's part of the header is zero.
public struct Image: Sendable {
    /// Starts with `bh_image_header`.
    public var bytes: [UInt8]
    /// The SHA-256 of the bytes, as in the header.
    public var sha256: [UInt8]
    public var statistics: Statistics
    /// The number of each port's record.
    public var ports: PortRecords

    /// Sizes of the classes and tables that the compiler made.
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
        /// Rules in bitmaps, at each pair of address sets by itself.
        public var bitmapItems = 0

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
    /// The name of the rule at fault, if any.
    public var rule: String?
    public var location: SourceLocation?
    /// The cause, with dimension and figures.
    public var message: String

    public init(rule: String? = nil, location: SourceLocation? = nil, message: String) {
        self.rule = rule
        self.location = location
        self.message = message
    }
}
