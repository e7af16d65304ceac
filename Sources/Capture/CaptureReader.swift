// SPDX-License-Identifier: Apache-2.0
import SystemPackage

/// Reads a pcap or pcapng file frame by frame. Only one frame and a buffer are in memory, however long the file is.
///
/// pcap is read in both byte orders, with micro- and nanoseconds; pcapng with any number of sections and interfaces.
/// Blocks and options that say nothing about frames are skipped.
public struct CaptureReader: ~Copyable {
    private enum Format {
        case pcap(PcapFile)
        case pcapng(PcapngFile)
        case failed(CaptureError)
    }

    private var input: ByteInput
    private var format: Format

    /// Opens the file at `path`, which may be a pipe, and reads its header. `-` is standard input.
    public init(path: String) throws(CaptureError) {
        // If a signal interrupts it, it must not go on waiting for the other end of a pipe.
        let file = try CaptureError.naming(path, at: 0) {
            if path == "-" { return try FileDescriptor.standardInput.duplicate() }
            return try FileDescriptor.open(FilePath(path), .readOnly, options: .closeOnExec, retryOnInterrupt: false)
        }
        try self.init(input: ByteInput(file))
    }

    /// Reads a file that is in memory.
    public init(bytes: [UInt8]) throws(CaptureError) {
        try self.init(input: ByteInput(bytes: bytes))
    }

    private init(input: consuming ByteInput) throws(CaptureError) {
        let magic = Fields(bytes: try input.take(4, of: "the file's first four bytes"), isBigEndian: false).u32(0)
        if magic == PcapngFile.sectionHeader {
            format = .pcapng(try PcapngFile(&input))
        } else if let pcap = try PcapFile(magic: magic, &input) {
            format = .pcap(pcap)
        } else {
            throw CaptureError(offset: 0, cause: .unknownFormat(magic: magic))
        }
        self.input = input
    }

    /// The next frame, or nil at the end of the file. After an error, each further call throws the same error.
    public mutating func next() throws(CaptureError) -> CapturedFrame? {
        do throws(CaptureError) {
            switch format {
            case .pcap(let file): return try file.next(&input)
            case .pcapng(var file):
                let frame = try file.next(&input)
                format = .pcapng(file)
                return frame
            case .failed(let error): throw error
            }
        } catch {
            format = .failed(error)
            throw error
        }
    }
}
