/* rendezvous -- all of MPI that weft uses: rank 0's standard input goes to standard output of every rank.
 *
 * weft runs this program once, when it was started by mpirun or srun. A line "RANK SIZE" comes first. So weft itself
 * links no MPI library, and no library that ends the job with a process that dies is loaded while it computes.
 *
 *   make mpi      builds it for Open MPI and MPICH, where their compilers are
 */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 8192 };

int main(int argc, char **argv) {
    static char text[TEXT_MAX];
    int rank, size, length = 0;
    if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 1;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0) length = (int)fread(text, 1, TEXT_MAX, stdin);
    MPI_Bcast(&length, 1, MPI_INT, 0, MPI_COMM_WORLD);
    MPI_Bcast(text, length, MPI_CHAR, 0, MPI_COMM_WORLD);
    MPI_Finalize();
    printf("%d %d\n", rank, size);
    fwrite(text, 1, (size_t)length, stdout);
    return fflush(stdout) == 0 ? 0 : 1;
}
