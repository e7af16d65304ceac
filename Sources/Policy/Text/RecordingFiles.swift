// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Passes files on, and keeps what was read, so that the same policy can be read again: at once, because a pipe gives
/// its text only once, and later.
public final class RecordingFiles: PolicyFiles {
    /// A file that was read.
    public struct File: Sendable, Hashable {
        public var path: String
        public var bytes: [UInt8]

        public init(path: String, bytes: [UInt8]) {
            self.path = path
            self.bytes = bytes
        }
    }

    private let files: any PolicyFiles
    private let limit: Int
    private let state = Mutex(State())

    private struct State {
        var read: [File] = []
        var bytes = 0
        /// What became of the reading of files that may be pipes.
        var once: [String: Result<[UInt8], FileError>] = [:]
    }

    /// - Parameter limit: More bytes than this are not kept.
    public init(_ files: some PolicyFiles, limit: Int) {
        self.files = files
        self.limit = limit
    }

    /// What was read, each file once, in order; nil: it was too much to keep.
    public var kept: [File]? { state.withLock { $0.bytes > limit ? nil : $0.read } }

    public func read(_ path: String, limit: Int, from source: FileSource) throws(FileError) -> [UInt8] {
        let known = source == .fileOrPipe ? state.withLock { $0.once[path] } : nil
        if let known { return try known.get() }
        let result = Result { () throws(FileError) in try files.read(path, limit: limit, from: source) }
        if source == .fileOrPipe { state.withLock { $0.once[path] = result } }
        let bytes = try result.get()
        note(path, bytes)
        return bytes
    }

    private func note(_ path: String, _ bytes: [UInt8]) {
        state.withLock { state in
            guard !state.read.contains(where: { $0.path == path }) else { return }
            state.bytes += bytes.count
            let isTooMuch = state.bytes > limit
            if isTooMuch { for index in state.read.indices { state.read[index].bytes = [] } }
            state.read.append(File(path: path, bytes: isTooMuch ? [] : bytes))
        }
    }

    public func names(in directory: String) throws(FileError) -> [String] { try files.names(in: directory) }
}
