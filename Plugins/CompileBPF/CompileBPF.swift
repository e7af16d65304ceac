// SPDX-License-Identifier: Apache-2.0
import Foundation
import PackagePlugin

/// Compiles `*.bpf.c` with clang and embeds each object in a Swift source of the target: those of the target's own
/// folder `BPF` where it has one, else those of the package's.
@main struct CompileBPF: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: Target) throws -> [Command] {
        let root = context.package.directoryURL
        let own = target.directoryURL.appending(path: "BPF")
        let folder = FileManager.default.fileExists(atPath: own.path()) ? own : root.appending(path: "BPF")
        let abi = root.appending(path: "Sources/CDatapathABI/include")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
        let sources = names.filter { $0.hasSuffix(".bpf.c") }
        guard !sources.isEmpty else { throw Failure("\(folder.path()) holds no *.bpf.c") }
        let headers = try headers(in: folder) + headers(in: abi) + headers(in: abi.appending(path: "abi"))
        let clang = try findClang(context)
        let system = try findHeaders()
        let embed = try context.tool(named: "EmbedObject").url
        return sources.map { name in
            let stem = String(name.dropLast(".bpf.c".count))
            let source = folder.appending(path: name)
            let object = context.pluginWorkDirectoryURL.appending(path: "\(stem).bpf.o")
            let swift = context.pluginWorkDirectoryURL.appending(path: "\(stem).bpf.swift")
            let options = [
                "-target", "bpf", "-O2", "-g", "-mcpu=v3", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
                // The object is the same wherever the checkout lies.
                "-ffile-prefix-map=\(root.path())=", "-fdebug-compilation-dir=.",
                "-I", abi.path(), "-I", folder.path(), "-isystem", system.path(),
                "-c", source.path(), "-o", object.path(),
            ]
            return .buildCommand(
                displayName: "Compiling BPF \(name)", executable: embed,
                arguments: [stem, swift.path(), object.path(), clang.path()] + options,
                inputFiles: [source] + headers, outputFiles: [swift])
        }
    }

    private func headers(in folder: URL) throws -> [URL] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted()
            .filter { $0.hasSuffix(".h") }.map { folder.appending(path: $0) }
    }

    /// A clang that can emit BPF: the one that SwiftPM names, else one on the path or in the usual places.
    private func findClang(_ context: PluginContext) throws -> URL {
        var candidates: [URL] = []
        if let tool = try? context.tool(named: "clang").url { candidates.append(tool) }
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        for folder in path.split(separator: ":").map(String.init) + ["/usr/bin", "/usr/local/bin"] {
            for name in ["clang"] + (14...24).reversed().map({ "clang-\($0)" }) {
                candidates.append(URL(filePath: folder).appending(path: name))
            }
        }
        var tried: Set<String> = []
        for candidate in candidates where FileManager.default.isExecutableFile(atPath: candidate.path()) {
            guard tried.insert(candidate.path()).inserted else { continue }
            if emitsBPF(candidate) { return candidate }
        }
        throw Failure(
            tried.isEmpty
                ? "clang is missing, which compiles BPF/*.bpf.c: apt-get install clang"
                : "no clang here can emit BPF (tried \(tried.sorted().joined(separator: ", "))): apt-get install clang")
    }

    private func emitsBPF(_ clang: URL) -> Bool {
        let process = Process()
        process.executableURL = clang
        process.arguments = ["--print-targets"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return text.split(separator: "\n").contains { $0.split(separator: " ").first == "bpf" }
    }

    /// The folder of this machine's `asm/` headers, which clang does not search when it compiles for BPF; checks
    /// libbpf's headers on the way.
    private func findHeaders() throws -> URL {
        let files = FileManager.default
        guard
            ["/usr/include", "/usr/local/include"].contains(where: {
                files.fileExists(atPath: $0 + "/bpf/bpf_helpers.h")
            })
        else { throw Failure("libbpf's headers are missing: apt-get install libbpf-dev libelf-dev zlib1g-dev") }
        #if arch(x86_64)
            let machine = "x86_64"
        #elseif arch(arm64)
            let machine = "aarch64"
        #else
            let machine = "unknown"
        #endif
        let multiarch = "/usr/include/\(machine)-linux-gnu"
        for folder in [multiarch, "/usr/include"] where files.fileExists(atPath: folder + "/asm/types.h") {
            return URL(filePath: folder)
        }
        throw Failure("the kernel's headers (asm/types.h) are missing: apt-get install linux-libc-dev")
    }
}

/// Why the BPF programs cannot be built, and what to do.
struct Failure: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}
