// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// Why a capture file cannot be read or written further.
public struct CaptureError: Error, Sendable, Hashable {
    public enum Cause: Sendable, Hashable {
        /// The operating system refused `operation`.
        case system(operation: String, errno: Errno)
        /// Not a pcap or pcapng file: the first four bytes, as a little-endian number.
        case unknownFormat(magic: UInt32)
        case unsupportedVersion(major: UInt16, minor: UInt16)
        /// The file ends inside a structure.
        case truncated(what: String)
        /// A frame of more bytes than any network device sends; the file is damaged or hostile.
        case oversized(bytes: UInt64)
        /// A pcapng block contradicts itself.
        case badBlock(type: UInt32, why: String)
        /// A packet names an interface that the section has not described.
        case unknownInterface(UInt32)
    }

    /// Bytes from the start of the file: where the structure in question begins.
    public var offset: UInt64
    public var cause: Cause

    public init(offset: UInt64, cause: Cause) {
        self.offset = offset
        self.cause = cause
    }
}

extension CaptureError {
    /// Runs a system call; the error says which operation failed.
    static func naming<Result>(
        _ operation: String, at offset: UInt64, _ call: () throws -> Result
    ) throws(CaptureError) -> Result {
        do {
            return try call()
        } catch {
            // The calls of a descriptor throw error numbers and nothing else.
            throw CaptureError(
                offset: offset, cause: .system(operation: operation, errno: error as? Errno ?? .ioError))
        }
    }
}

extension CaptureError: CustomStringConvertible {
    public var description: String {
        switch cause {
        case .system(let operation, let errno): "\(operation): \(errno)"
        default: "byte \(offset): \(cause)"
        }
    }
}

extension CaptureError.Cause: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let operation, let errno): "\(operation): \(errno)"
        case .unknownFormat(let magic): "neither pcap nor pcapng (the file starts with 0x\(String(magic, radix: 16)))"
        case .unsupportedVersion(let major, let minor): "version \(major).\(minor) of the format is not supported"
        case .truncated(let what): "the file ends inside \(what)"
        case .oversized(let bytes): "a frame of \(bytes) bytes; at most \(CapturedFrame.largest) are read"
        case .badBlock(let type, let why): "pcapng block of type \(type): \(why)"
        case .unknownInterface(let index): "a packet of interface \(index), which the section does not describe"
        }
    }
}
